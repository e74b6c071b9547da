/**
 * A world of slices from a seed: programs write, clients compact and do their hourly jobs, workers of s3compact compact the same
 * files and die at any call, others look at their records. Counts must be right at every moment; at the end every byte is
 * there, and no object that nothing names.
 */
import type { Clock } from '../../../src/clock.ts';
import { compactSlices } from '../../../src/compact/compact-slices.ts';
import { CompactError } from '../../../src/errors.ts';
import { reapSlices } from '../../../src/reap/reap-slices.ts';
import { elapsed } from '../../../src/time.ts';
import { recount } from '../../kit/juicefs-client/check.ts';
import { compactChunk } from '../../kit/juicefs-client/compaction.ts';
import { hourlyJobs } from '../../kit/juicefs-client/jobs.ts';
import { Play, type PlayedFile } from '../../kit/juicefs-client/play.ts';
import { FAULTS, type PlannedFault } from '../seeded/faults.ts';
import { Random } from '../seeded/random.ts';
import { Scheduler, SimProcess } from '../seeded/scheduler.ts';
import { GRACE_MS, LIMITS, type SliceServers, SliceStage } from './stage.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
const DURATIONS = {
  slowMaxMs: 10 * SECOND_MS,
  pauseMaxMs: 40 * MINUTE_MS,
  // A PUT that lands a grace after it was given up is left to `juicefs gc`.
  pauseMaxMsOf: new Map([['objects.put', GRACE_MS]]),
};
const SETUP_STEPS = 30;
const STEPS = 30;
const COMPACTIONS = 12;
const WORKERS = 2;
const RUNS = 6;
const FAULTS_MAX = 12;
const FAULTS_WITHIN = 400;
/** An object that the store says to have deleted, and has not, is another world's. */
const USED_FAULTS = FAULTS.filter((fault) => fault !== 'untrue' && fault !== 'short');
const CHANGES = [
  'metadata.begin',
  'metadata.commit',
  'metadata.commit',
  'metadata.commit',
  'metadata.clear',
  'metadata.release',
  'metadata.forget',
  'ledger.add',
  'ledger.stamp',
  'ledger.expedite',
  'objects.put',
  'objects.head',
  'objects.delete',
];
/** Turns between two counts. */
const COUNT_EVERY = 60;
/** What a run may say of a file that was deleted meanwhile. */
const EXPECTED: ReadonlySet<string> = new Set(['inode-missing', 'inode-unlinked']);

export interface SliceVerdict {
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  /** How often what happened. */
  readonly counts: Readonly<Record<string, number>>;
  readonly struck: ReadonlyMap<string, number>;
}

export function playSlices(seed: number, servers: SliceServers, { trace = false } = {}): Promise<SliceVerdict> {
  return new SliceWorld(seed, servers, trace).play();
}

/** Half of them anywhere, half at calls that change something. */
function plannedFault(random: Random): PlannedFault {
  const how = { fault: random.pick(USED_FAULTS), size: random.unit(), still: random.below(2) === 0 };
  if (random.below(2) === 0) return { ...how, at: random.below(FAULTS_WITHIN) };
  return { ...how, on: random.pick(CHANGES), at: random.below(6) };
}

class SliceWorld {
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #stage: SliceStage;
  readonly #play: Play;
  readonly #violations: string[] = [];
  readonly #counts: Record<string, number> = {};
  /** Those that are still at work, but for who looks at records. */
  #busy = 0;
  #processes = 0;
  readonly #dense: boolean;

  constructor(seed: number, servers: SliceServers, trace: boolean) {
    const random = new Random(seed);
    this.#random = random;
    const faults = Array.from({ length: random.below(FAULTS_MAX) }, () => plannedFault(random));
    this.#scheduler = new Scheduler(random, faults, DURATIONS);
    if (trace) this.#scheduler.trace = [];
    this.#dense = random.below(2) === 0;
    const trashDays = random.below(2);
    this.#stage = new SliceStage(servers, this.#scheduler, { trashDays, hadTrash: random.below(4) === 0 });
    const client = this.#stage.client(1, this.#process('program', false));
    this.#play = new Play(client, new Random(seed + 1), { unit: 32, far: false, reads: true });
    this.#play.onStep = (line) => this.#scheduler.note(line);
  }

  async play(): Promise<SliceVerdict> {
    await this.#stage.format();
    this.#scheduler.faultsOn = false;
    this.#actor(() => this.#program(SETUP_STEPS, 0));
    await this.#scheduler.run();
    this.#scheduler.faultsOn = true;
    this.#actor(() => this.#program(STEPS, 5 * MINUTE_MS));
    // Without a trash a client deletes at once what another may be copying: its own fault, so it does one thing at a time.
    if (this.#stage.options.trashDays > 0) this.#actor(() => this.#compactions());
    this.#actor(() => this.#hourly());
    for (let n = 0; n < WORKERS; n++) this.#worker({ left: RUNS });
    this.#reaper();
    while (await this.#scheduler.run(COUNT_EVERY)) {
      await this.#count('between');
      if (this.#busy === 0) this.#scheduler.faultsOn = false;
      if (this.#violations.length > 0) break;
    }
    if (this.#violations.length === 0) await this.#atTheEnd();
    const { trace = [], struck } = this.#scheduler;
    return { violations: this.#violations, trace, counts: this.#counts, struck };
  }

  #process(name: string, tested = true): SimProcess {
    const rate = tested ? 0.9 + this.#random.unit() / 5 : 1;
    return new SimProcess(`${name}-${this.#processes++}`, this.#scheduler, { tested, rate });
  }

  #actor(act: () => Promise<void>): void {
    this.#busy++;
    act()
      .catch((error: unknown) => this.#violated(String(error instanceof Error ? error.stack : error)))
      .finally(() => this.#busy--);
  }

  #violated(what: string): void {
    this.#violations.push(what);
    this.#scheduler.note(`VIOLATED ${what}`);
  }

  #tell(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  /** In half of the worlds everything happens within seconds. */
  async #wait(clock: Clock, maxMs: number): Promise<void> {
    await clock.sleep(this.#random.below(this.#dense ? maxMs / 1000 : maxMs));
  }

  /** Mostly one of the first two, so that all meet at the same files. */
  #anyFile(): PlayedFile {
    const { files } = this.#play;
    return this.#random.pick(this.#random.below(4) > 0 ? files.slice(0, 2) : files);
  }

  async #program(steps: number, waitMaxMs: number): Promise<void> {
    const { clock } = this.#process('program', false);
    for (let n = 0; n < steps; n++) {
      await this.#play.step();
      if (this.#stage.options.trashDays === 0 && n % 4 === 0) await this.#play.behind();
      if (waitMaxMs > 0) await this.#wait(clock, waitMaxMs);
    }
  }

  async #compactions(): Promise<void> {
    const process = this.#process('client', false);
    const { volume } = this.#stage.client(2, process);
    for (let n = 0; n < COMPACTIONS; n++) {
      await this.#wait(process.clock, 20 * MINUTE_MS);
      const file = this.#anyFile();
      const end = await compactChunk(volume, file.inode, 0);
      this.#tell(`client ${end}`);
      this.#scheduler.note(`a client has compacted ${file.inode}: ${end}`);
    }
  }

  /** While others are at work, and while records wait for it. */
  async #hourly(): Promise<void> {
    const process = this.#process('hourly', false);
    const client = this.#stage.client(3, process);
    const { records } = this.#stage.ledger;
    while (this.#busy > 1 || records.size > 0) {
      // Where they, and not the reaper, delete what was let go, it asks again and again until they have.
      await process.clock.sleep(this.#random.below(this.#busy > 1 ? 20 * MINUTE_MS : MINUTE_MS));
      await hourlyJobs(client);
    }
  }

  /** A process that dies is started again, for what is left of its runs. */
  #worker(runs: { left: number }): void {
    const process = this.#process('worker');
    const deps = this.#stage.deps(process);
    let ended = false;
    process.died.then(() => {
      if (ended) return;
      this.#busy--;
      this.#tell('worker died');
      this.#worker(runs);
    });
    this.#actor(async () => {
      while (runs.left-- > 0) {
        await this.#wait(process.clock, 15 * MINUTE_MS);
        const { inode } = this.#anyFile();
        await this.#run(inode, deps);
      }
      ended = true;
    });
  }

  async #run(inode: number, deps: Parameters<typeof compactSlices>[1]): Promise<void> {
    try {
      const { outcome } = await compactSlices({ fsId: 1, inodeId: BigInt(inode) }, deps, { limits: LIMITS });
      this.#tell(outcome);
      this.#scheduler.note(`compacted ${inode}: ${outcome}`);
    } catch (error) {
      if (!(error instanceof CompactError)) throw error;
      this.#tell(error.code);
      this.#scheduler.note(`compacted ${inode}: ${error.code}, ${error.message}`);
      if (error.kind === 'halt' && !EXPECTED.has(error.code)) throw error;
    }
  }

  #reaper(): void {
    const process = this.#process('reaper');
    const deps = this.#stage.deps(process);
    process.died.then(() => this.#reaper());
    this.#reap(process, deps).catch((error: unknown) => this.#violated(String(error)));
  }

  async #reap({ clock }: SimProcess, deps: Parameters<typeof reapSlices>[1]): Promise<void> {
    const { ledger } = this.#stage;
    for (;;) {
      const next = ledger.first();
      if (next === undefined && this.#busy === 0) return;
      const waitMs = next === undefined ? MINUTE_MS : elapsed(ledger.now(), next.record.dueMs);
      if (next === undefined || waitMs > 0) {
        await clock.sleep(Math.max(1, Math.min(waitMs, MINUTE_MS)));
        continue;
      }
      ledger.take(next.id);
      const verdict = await reapSlices(next.record, deps).catch((error: unknown) => {
        if (error instanceof CompactError && error.kind === 'retry') return null;
        throw error;
      });
      this.#tell(`look ${verdict?.kind ?? 'failed'}`);
      if (verdict === null) continue;
      this.#scheduler.note(
        `look at a record of inode ${next.record.key.inodeId}: ${verdict.kind} ${'doubt' in verdict ? verdict.doubt : ''}`,
      );
      if (verdict.kind === 'done') ledger.delete(next.id);
      else ledger.set(next.id, verdict.record);
      ledger.leave(next.id);
      await clock.sleep(10 * SECOND_MS);
    }
  }

  async #count(when: string): Promise<void> {
    const { faults } = await recount(this.#stage.client(0).volume, { leftovers: true });
    for (const fault of faults) this.#violated(`${when}: ${fault}`);
  }

  /** Everybody has done: trash and delayed deletes are worked off, and nothing is left but what is read. */
  async #atTheEnd(): Promise<void> {
    const client = this.#stage.client(0);
    for (const file of this.#play.files)
      await this.#play.read(file, client).catch((error: unknown) => this.#violated(String(error)));
    for (let n = 0; n < 2; n++) {
      await this.#scheduler.advance(3 * DAY_MS);
      await hourlyJobs(client);
    }
    const { faults } = await recount(client.volume);
    for (const fault of faults) {
      const [, late = ''] = /^nothing names (.*)$/.exec(fault) ?? [];
      if (this.#stage.tooLate.has(late)) this.#tell('left to gc: written after it was deleted');
      else this.#violated(`at the end: ${fault}`);
    }
    for (const file of this.#play.files)
      await this.#play.read(file, client).catch((error: unknown) => this.#violated(String(error)));
    const own = await client.volume.redis.hkeys('~s3compact');
    for (const field of own) if (field !== 'ids') this.#tell('a fence is left');
  }
}
