/**
 * Plays one script: sets the stage, does its acts one after the other while everything goes on, then stops the faults
 * and lets the world come to rest, where every object must be referenced or accounted for (I12). The verdict is what did not
 * hold, and what was struck by which fault.
 */

import type { CompactLimits, CompactResult } from '../../../src/compact/compact-inode.ts';
import { LATE_COMMIT_SKEW_MS, protocolOf } from '../../../src/compact/protocol.ts';
import { SEVERAL_WRITERS_TIMES } from '../../../src/compact/quiet-period.ts';
import { toError } from '../../../src/errors.ts';
import type { GcOptions } from '../../../src/gc/gc.ts';
import type { CommitForm } from '../../../src/metadata/port.ts';
import { SETTLE_MS } from '../../../src/reap/holds.ts';
import { wallMs } from '../../../src/time.ts';
import { RecordState } from '../record-metadata.ts';
import { type Attack, type AttackAct, CLIENT_CLOCK_OFF_MAX_MS } from './attacks.ts';
import { Clients } from './clients.ts';
import { Judge } from './judge.ts';
import { Random } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { CLOCK_STEP_MAX_MS, FILES, type Script, type Step } from './script.ts';
import { BUCKET, OWNER, type SimFile, Stage } from './stage.ts';
import { Workers } from './workers.ts';

const GRACE_MS = 600_000;
const LEASE_MS = 3_600_000;
const READER_CACHE_LIFE_MS = 540_000;
/** Acts after which ids may be given out again. */
const LOSES_IDS: ReadonlySet<Step['act']> = new Set(['lose', 'demote']);
/** A hasty reaper is set to so small a part of the grace period. */
const HASTE = 10;
const DAY_MS = 24 * 3_600_000;
const WAITS = {
  second: 1_000,
  grace: 1.5 * GRACE_MS,
  lease: 1.2 * LEASE_MS,
  day: 1.1 * DAY_MS,
  neglect: 3 * (LEASE_MS + GRACE_MS),
};

/** What is left of the wait of a hold after a permit (a third of it) and the longest call. */
const HELD_DELETE_LATE_MS = (SETTLE_MS * 2) / 3 - 31_000;

/** For services without a comparison. */
const QUIET_MS = 60_000;
/** Clients hold back an id, a length or a repeated append for less than that. */
const HOLD_MAX_MS = 0.4 * QUIET_MS;

const LIMITS: CompactLimits = {
  policy: { fragmentThreshold: 3, readGapBytes: 4 },
  chunksMax: 10,
  bytesMax: 1 << 20,
  requestsMax: 1_000,
  durationMaxMs: 600_000,
  leaseMs: LEASE_MS,
  graceMs: GRACE_MS,
  commitTimeoutMs: 1_000,
  quietMs: QUIET_MS,
  blocksInFlight: 2,
  getsInFlight: 3,
};
/** A run that does not get far: continuations, chunk after chunk. */
const SMALL: CompactLimits = {
  ...LIMITS,
  // With the dial down, pieces of blocks are merged, above kept versions too.
  policy: { ...LIMITS.policy, bytesPerGet: 6 },
  chunksMax: 1,
  versionsMax: 4,
  bytesMax: 100,
  requestsMax: 12,
};

/** Older than any write that is under way (I11: longer than lease + grace). */
const GC = { graceMs: GRACE_MS, leaseMs: LEASE_MS, minAgeMs: 2 * (LEASE_MS + GRACE_MS) };

/** One that goes on for one that died, a first look, a second look, and one to spare. */
const GCS_MAX = 4;

/** Runs and looks after which a world without faults must have come to rest (I8). */
const RUNS_MAX = 40;
const LOOKS_MAX = 400;

export interface Verdict {
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  /** `boundary fault` → how often it struck. */
  readonly struck: ReadonlyMap<string, number>;
  /** Objects left to gc, by reason. */
  readonly leaks: ReadonlyMap<string, string>;
}

export interface PlayOptions {
  readonly trace?: boolean;
  /** The kind of metadata service; default: one that compares and fences. */
  readonly form?: CommitForm;
  /** Of which the seed's script may have one; default: those that are on for good. */
  readonly attacks?: ReadonlySet<Attack>;
}

export async function play(script: Script, options: PlayOptions = {}): Promise<Verdict> {
  const form = options.form ?? 'fenced';
  const scheduler = new Scheduler(new Random(script.order), script.faults, {
    slowMaxMs: 30_000,
    pauseMaxMs: LEASE_MS + 3 * GRACE_MS,
    // A time-bound commit that comes later than this is outside the guarantee.
    pauseMaxMsOf: new Map([
      ...(form === 'fenced' ? [] : [['metadata.commit', LATE_COMMIT_SKEW_MS] as const]),
      // A delete that comes later than this after its last check is outside what a hold promises.
      ...(script.attack === 'holds' ? [['objects.delete', HELD_DELETE_LATE_MS] as const] : []),
    ]),
  });
  if (options.trace === true) scheduler.trace = [];
  const world = new Play(scheduler, script, form);
  try {
    await world.run();
  } catch (error) {
    world.judge.fail(toError(error).stack ?? String(error));
  }
  return {
    violations: world.judge.violations,
    trace: scheduler.trace ?? [],
    struck: scheduler.struck,
    leaks: world.left,
  };
}

class Play {
  readonly judge: Judge;
  left: ReadonlyMap<string, string> = new Map();
  readonly #scheduler: Scheduler;
  readonly #script: Script;
  readonly #stage: Stage;
  readonly #clients: Clients;
  readonly #workers: Workers;
  readonly #form: CommitForm;
  /** What reaping waits for. */
  readonly #graceMs: number;
  readonly #gcOptions: Omit<GcOptions, 'deletesMax' | 'delete'>;
  #fault: unknown;

  constructor(scheduler: Scheduler, script: Script, form: CommitForm) {
    this.#form = form;
    this.#graceMs = protocolOf({ commitForm: form }).graceMs(LIMITS);
    this.#scheduler = scheduler;
    this.#script = script;
    const inodeIds = Array.from({ length: FILES }, (_, n) => 9_007_199_254_740_993n + BigInt(n));
    this.#stage = new Stage(scheduler, inodeIds, form);
    this.judge = new Judge(this.#stage, { graceMs: GRACE_MS, clockStepMaxMs: CLOCK_STEP_MAX_MS, leaseMs: LEASE_MS });
    const fenced = form === 'fenced';
    const idsComeBack =
      fenced &&
      script.steps.some((step) => LOSES_IDS.has(step.act) && !(step.act === 'lose' && step.server === 'queue'));
    this.#clients = new Clients(this.#stage, this.judge, {
      readerCacheLifeMs: READER_CACHE_LIFE_MS,
      idsComeBack,
      holdMaxMs: fenced ? 0 : HOLD_MAX_MS,
      // An id that is given out again must be used within a grace period; any other before gc finds its objects old.
      slowMaxMs: fenced ? 0.9 * (idsComeBack ? GRACE_MS : GC.minAgeMs) : HOLD_MAX_MS,
    });
    this.#workers = new Workers(this.#stage, this.judge);
    this.#stage.demotes = script.attack === 'demoted';
    this.#stage.holds = script.attack === 'holds';
    this.#stage.owned = this.#stage.holds || script.attack === 'clone' || script.attack === 'neighbour';
    // Objects of inodes that the metadata does not have may be a neighbour's: nobody asks for them to be deleted.
    this.#gcOptions = { ...GC, inodeless: script.attack !== 'neighbour' };
  }

  async run(): Promise<void> {
    if (this.#stage.owned) await this.#toEnd(this.#workers.claim());
    for (const act of this.#script.setup) this.#clients.writeNow(this.#file(act.file), act);
    for (const step of this.#script.steps) {
      await this.#scheduler.run(step.turns);
      await this.#step(step);
      if (this.judge.violations.length > 0) return;
    }
    this.#scheduler.note('-- faults stop');
    this.#scheduler.faultsOn = false;
    await this.#scheduler.run();
    if (this.#fault !== undefined) throw this.#fault;
    if (this.judge.violations.length > 0) return;
    await this.#comeToRest();
  }

  #file(n: number): SimFile {
    const file = this.#stage.files[n];
    if (file === undefined) throw new RangeError(`no file ${n}`);
    return file;
  }

  /** Starts something that goes on while the script does. */
  #start(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.#fault ??= error;
    });
  }

  async #step(step: Step): Promise<void> {
    this.#scheduler.note(`-- ${JSON.stringify(step)}`);
    switch (step.act) {
      case 'write':
        return this.#start(this.#clients.write(this.#file(step.file), step));
      case 'read':
        return this.#start(this.#clients.read(this.#file(step.file), step.hold));
      case 'truncate':
        return this.#stage.truncate(this.#file(step.file), step.length);
      case 'unlink':
        return this.#stage.unlink(this.#file(step.file));
      case 'remove':
        return this.#stage.remove(this.#file(step.file));
      case 'compact':
        for (let n = 0; n < step.times; n++) {
          this.#start(this.#workers.compact(this.#file(step.file), step.small ? SMALL : LIMITS, { rate: step.rate }));
        }
        return;
      case 'reap':
        for (let n = 0; n < step.times; n++) this.#reap(step.record);
        return;
      case 'gc':
        return this.#start(this.#workers.gc({ ...this.#gcOptions, delete: step.delete }));
      case 'wait':
        return this.#wait(step.wait === 'due' ? this.#untilDueMs() : step.part * WAITS[step.wait]);
      case 'lose':
        return this.#lose(step);
      case 'step-clock':
        this.#stage.clockOffMs += step.ms;
        return;
      default:
        return this.#attacked(step);
    }
  }

  #attacked(step: AttackAct): void {
    const stage = this.#stage;
    switch (step.act) {
      case 'dates':
        stage.dates = step.dates;
        return;
      case 'hasty-reap':
        this.#reap(step.record, this.#graceMs / HASTE);
        return;
      case 'lose-indexes':
        stage.metadata.loseIndexes(this.#file(step.file).key);
        return;
      case 'demote':
        if (stage.metadata.demoted === undefined)
          this.judge.lost(stage.demote(step.ms), 'the metadata server was replaced');
        return;
      case 'heal':
        stage.metadata.demoted = undefined;
        return;
      case 'neighbour':
        stage.addNeighbour();
        return;
      case 'clone':
        if (stage.clone === undefined) stage.copyMetadata();
        return;
      case 'in-clone':
        this.#inClone(step.work, this.#file(step.file));
        return;
      case 'client-clock':
        stage.clientsOffMs = step.ms;
        return;
      case 'hold':
        this.#start(this.#workers.hold(step.forMs));
        return;
      case 'release-hold':
        this.#start(this.#workers.release());
    }
  }

  #inClone(work: 'compact' | 'reap' | 'gc', file: SimFile): void {
    const site = this.#stage.clone;
    if (site === undefined) return;
    if (work === 'compact') this.#start(this.#workers.compact(file, LIMITS, { site }));
    else if (work === 'gc') this.#start(this.#workers.gc({ ...this.#gcOptions, delete: true }, site));
    else for (const id of site.ledger.records.keys()) this.#start(this.#workers.reap(id, this.#graceMs, site));
  }

  #untilDueMs(): number {
    const due = this.#stage.ledger.first()?.record.dueMs;
    return due === undefined ? 0 : Math.max(0, wallMs(due) - this.#stage.ledger.clock());
  }

  /** Time passes, and whatever record is due then is looked at, as a queue does it. */
  async #wait(ms: number): Promise<void> {
    await this.#scheduler.advance(ms);
    const nowMs = this.#stage.ledger.clock();
    for (const [id, record] of this.#stage.ledger.records) {
      if (wallMs(record.dueMs) <= nowMs) this.#start(this.#workers.reap(id, this.#graceMs));
    }
  }

  /** Timers are not exact and jobs come twice: any record may be looked at, at any time, by several. */
  #reap(record: number, graceMs = this.#graceMs): void {
    const ids = [...this.#stage.ledger.records.keys()];
    const id = ids[record % Math.max(1, ids.length)];
    if (id !== undefined) this.#start(this.#workers.reap(id, graceMs));
  }

  #lose({ server, ms }: Extract<Step, { act: 'lose' }>): void {
    // Raft loses nothing that was acknowledged.
    const losing = this.#form === 'fenced' ? server : 'queue';
    this.judge.lost(this.#stage.lose(losing, ms).names, `the ${losing} server lost its last writes`);
  }

  async #comeToRest(): Promise<void> {
    this.#stage.passAllChunkIds();
    this.#stage.setRight();
    await this.#toEnd(this.#workers.releaseAll());
    // Files of which clients say that they were changed in the future.
    if (this.#script.attack === 'client-clocks') await this.#scheduler.advance(CLIENT_CLOCK_OFF_MAX_MS);
    for (const file of this.#stage.files) await this.#compactAll(file);
    await this.#reapAll();
    this.judge.atEnd();
    this.left = this.#leftOver();
    await this.#collectAll();
  }

  /** I12: what nothing references is left for a reason that is known. */
  #leftOver(): ReadonlyMap<string, string> {
    const referenced = this.#kept();
    const left = new Map<string, string>();
    for (const name of this.#stage.stores.bucket(BUCKET).keys()) {
      if (referenced.has(name)) continue;
      const reason = this.judge.leaks.get(name);
      if (reason === undefined) this.judge.fail(`I12: ${name} is left over, and no reason is known`);
      else left.set(name, reason);
    }
    return left;
  }

  /** I12: two passes of gc, far enough apart, delete all that is left; a bucket of nothing but orphans is refused. */
  async #collectAll(): Promise<void> {
    for (let passes = 0; passes < GCS_MAX; passes++) {
      await this.#scheduler.advance(GC.minAgeMs + 1);
      const report = await this.#toEnd(this.#workers.gc({ ...this.#gcOptions, delete: true }));
      if (report === null) return this.judge.fail('a gc without faults failed');
      if (report.faultsTotal > 0) this.judge.fail(`gc misses ${JSON.stringify(report.faults[0])}`);
      // A pass that goes on for one that died also goes on with what that one could not read.
      if (report.refused === undefined || report.resumed) continue;
      if (this.#referenced().size > 0) this.judge.fail(`gc refused: ${report.refused}`);
      return;
    }
    const referenced = this.#kept();
    for (const name of this.#stage.stores.bucket(BUCKET).keys()) {
      if (!referenced.has(name) && !this.#isInDoubt(name)) this.judge.fail(`I12: ${name} is left over after gc`);
    }
  }

  #referenced(): Set<string> {
    return new Set(this.#stage.files.flatMap((file) => this.#stage.referencedBy(file)));
  }

  /** Of an inode that has bytes and no list, which may have lost them; or of none, where that may be a neighbour's. */
  #isInDoubt(name: string): boolean {
    const file = this.#stage.files.find(({ key }) => name.startsWith(`${key.fsId}_${key.inodeId}_`));
    const found = file === undefined ? undefined : this.#stage.inodeOf(file);
    if (found === undefined) return this.#gcOptions.inodeless !== true;
    return found.lists.size === 0 && found.inode.length > 0;
  }

  /** What must stay in the bucket: ours, and what is not ours. */
  #kept(): Set<string> {
    return new Set([...this.#referenced(), ...this.#stage.neighbours, OWNER]);
  }

  async #compactAll(file: SimFile): Promise<void> {
    if (this.#stage.stateOf(file) === null) return;
    // Left alone by all, as every file is some time.
    if (this.#form === 'time-bound') await this.#scheduler.advance(SEVERAL_WRITERS_TIMES * QUIET_MS + 1);
    for (let runs = 0; runs < RUNS_MAX; runs++) {
      const result = await this.#toEnd(this.#workers.compact(file, LIMITS));
      if (result?.outcome === 'nothing' || this.#cannotEnd(file, result)) return;
      if (result?.outcome !== 'compacted') {
        return this.judge.fail(
          `a run without faults ended as ${result?.outcome ?? 'an error'}: ${result?.reason ?? ''}`,
        );
      }
    }
    this.judge.fail(`I8: inode ${file.key.inodeId} is never done`);
  }

  /** Two commits at once that emptied a list have used the counter up: the next list cannot be emptied (ADR 10). */
  #cannotEnd(file: SimFile, result: CompactResult | null): boolean {
    const { metadata } = this.#stage;
    return result?.outcome === 'unknown' && metadata instanceof RecordState && metadata.tables.counter(file.key) < 2;
  }

  async #reapAll(): Promise<void> {
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const first = this.#stage.ledger.first();
      if (first === undefined) return;
      await this.#scheduler.advance(this.#untilDueMs());
      await this.#toEnd(this.#workers.reap(first.id, this.#graceMs));
    }
    this.judge.fail(`I12: ${this.#stage.ledger.records.size} reap records are never done`);
  }

  async #toEnd<T>(work: Promise<T>): Promise<T> {
    this.#start(work);
    await this.#scheduler.run();
    return work;
  }
}
