/**
 * What must hold after every step of a seeded world (I1-I7, I10): it hears of every change of lists and objects and
 * remembers what it needs, from outside the code under test and with the oracle's reader. It changes nothing.
 */

import type { CompactResult } from '../../../src/compact/compact-inode.ts';
import type { CommitRequest } from '../../../src/metadata/port.ts';
import { wallMs } from '../../../src/time.ts';
import { referencedObjects } from '../../kit/oracle/layout.ts';
import { readFile, visibleObjects } from '../../kit/oracle/reader.ts';
import type { FileState } from '../../kit/oracle/types.ts';
import type { StoreCall } from '../../objects/memory-store.ts';
import type { SimProcess } from './scheduler.ts';
import { BUCKET, type SimFile, type Stage } from './stage.ts';

export interface JudgeOptions {
  readonly graceMs: number;
  /** How far the ledger's clock may have stepped in all: the grace period is counted on it. */
  readonly clockStepMaxMs: number;
  readonly leaseMs: number;
}

/** The attempt of a process that runs. */
interface Attempting {
  readonly id: bigint;
  /** On the process's own clock, a little too late: from when it had heard the ledger's time. */
  readonly leaseEndsMs: number;
  /** How often the ledger had lost its last writes when it began. */
  readonly ledgerLosses: number;
  /** Objects that it put when no record spoke of them any more. */
  readonly late: string[];
}

const LATE_PUT = 'put after its record was done, by a process that could not hand it over';

/** A reader that goes on with the lists that it has. */
export interface Reading {
  readonly file: SimFile;
  readonly state: FileState;
  readonly bytes: Buffer;
}

interface Commits {
  /** How many the attempt has made, whatever became of them. */
  readonly made: number;
  /** True times in ms of those that the metadata server has not lost. */
  readonly standingMs: readonly number[];
}

/** An object's name ends with its chunkId, its block and its compaction. */
function blockOf(name: string): string | undefined {
  return name.split('_').at(-2);
}

export class Judge {
  /** What did not hold; the first one counts. */
  readonly violations: string[] = [];
  /** Objects that only gc can find, with the reason (I12). */
  readonly leaks = new Map<string, string>();
  readonly readings = new Set<Reading>();
  readonly #stage: Stage;
  readonly #options: JudgeOptions;
  #referenced = new Set<string>();
  readonly #unreferencedAtMs = new Map<string, number>();
  /** Chunks that an attempt has really replaced. */
  readonly #commits = new Map<bigint, Commits>();
  /** Attempts that reported a conflict: how many commits they had made by then, and how many of those stood. */
  readonly #conflicts = new Map<bigint, { readonly made: number; readonly standing: number }>();
  readonly #drawn = new Map<bigint, number>();
  readonly #attempting = new Map<SimProcess, Attempting>();
  /** How many versions clients had appended to the chunk when a merged version was committed. */
  readonly #appendedBefore = new Map<bigint, number>();
  /** What must stay as long as a hold stands, by its id; ms of true time. */
  readonly #held = new Map<string, { readonly untilMs: number; readonly names: ReadonlySet<string> }>();
  readonly #released = new Set<string>();
  readonly #contents = new Map<string, string>();
  /** By an object that the store did not keep: what it replaced, from which it can be made again. */
  readonly #sources = new Map<string, ReadonlySet<string>>();

  constructor(stage: Stage, options: JudgeOptions) {
    this.#stage = stage;
    this.#options = options;
    stage.metadata.onChange = () => this.#listsChanged();
    stage.metadata.onCommit = (request) => this.#committed(request);
    stage.metadata.onCommitElsewhere = ({ attempt }) => this.#count(attempt);
    stage.onMetadataLost = (sinceMs) => this.#undoCommits(sinceMs);
    stage.stores.after = (call) => this.#afterCall(call);
  }

  fail(what: string): void {
    this.violations.push(what);
    this.#stage.scheduler.note(`!! ${what}`);
  }

  /** What a reader gets now by these lists; `null` is reported as a violation under this id. */
  read(file: SimFile, state: FileState, id: string): Buffer | null {
    const bucket = this.#stage.stores.bucket(BUCKET);
    try {
      const { uploads, untrue } = this.#stage;
      return readFile(state, (name) => bucket.get(name)?.bytes ?? uploads.get(name) ?? untrue.get(name));
    } catch (error) {
      this.fail(`${id}: inode ${file.key.inodeId}: ${(error as Error).message}`);
      return null;
    }
  }

  attemptDrawn(process: SimProcess, id: bigint): void {
    this.#drawn.set(id, (this.#drawn.get(id) ?? 0) + 1);
    const leaseEndsMs = Number(process.clock.monotonicMs()) + this.#options.leaseMs;
    this.#attempting.set(process, { id, leaseEndsMs, ledgerLosses: this.#stage.ledgerLosses, late: [] });
  }

  /** A run has ended, well or not, and its process still stands. */
  runEnded(process: SimProcess, result: CompactResult | null): void {
    const attempting = this.#attempting.get(process);
    if (attempting === undefined) return;
    this.#attempting.delete(process);
    this.#checkHandedOver(process, attempting);
    if (result !== null) this.#checkAnswer(result);
  }

  /** I12: whoever ends by itself leaves no object that no record speaks of, and no record that waits for its lease. */
  #checkHandedOver(process: SimProcess, { id, late, ledgerLosses }: Attempting): void {
    const ledger = this.#stage.ledger;
    // What the ledger has not heard, or has forgotten, is its own.
    if (process.failed.some((name) => name.startsWith('ledger.')) || this.#stage.ledgerLosses > ledgerLosses) return;
    for (const name of late) if (this.leaks.get(name) === LATE_PUT) this.leaks.delete(name);
    if ((this.#drawn.get(id) ?? 0) > 1) return;
    const untilMs = ledger.clock() + this.#options.clockStepMaxMs;
    for (const record of ledger.records.values()) {
      if (record.attempt !== id || wallMs(record.dueMs) <= untilMs) continue;
      const names = [...record.retired, ...record.merged];
      // A look that was too early puts back the text that it took, beside the one that was added anew.
      if (!names.every((name) => ledger.handedOver.has(`${id} ${name}`))) {
        this.fail(`I12: ${process.name} has ended and a record of it waits for its lease`);
      }
    }
  }

  /** I6: what an attempt tells of its commits is true. */
  #checkAnswer({ attempt, chunksCompacted, outcome }: CompactResult): void {
    if (attempt === undefined) return;
    const { made, standingMs } = this.#commitsOf(attempt);
    if (chunksCompacted > made) {
      this.fail(`I6: attempt ${attempt} tells ${chunksCompacted} commits, there were ${made}`);
    }
    if (outcome === 'conflict') this.#conflicts.set(attempt, { made, standing: standingMs.length });
  }

  /**
   * At the end: of an attempt that reported a conflict no commit stood then, and none came later. One that the metadata server
   * had made and lost does not contradict it.
   */
  atEnd(): void {
    this.#checkSources();
    for (const [attempt, { made, standing }] of this.#conflicts) {
      // Two attempts of one millisecond drew one number, and a third began in between: whose commit it was, nobody can tell.
      if ((this.#drawn.get(attempt) ?? 0) > 1) continue;
      const later = this.#commitsOf(attempt).made - made;
      if (standing + later > 0) this.fail(`I6: attempt ${attempt} told a conflict and committed`);
    }
  }

  /** A hold was answered: nothing that is referenced now may be deleted before its end. */
  holdBegins(id: string, untilMs: number): void {
    // Whoever releases it may come before its maker has the answer.
    if (!this.#released.has(id)) this.#held.set(id, { untilMs, names: this.#referenced });
  }

  /** Somebody begins to release it. */
  holdEnds(id: string): void {
    this.#released.add(id);
    this.#held.delete(id);
  }

  /** Names that a server has lost from view: by its fault, not by ours. */
  lost(names: readonly string[], why: string): void {
    for (const name of names) this.leaks.set(name, why);
  }

  #committed(request: CommitRequest): void {
    this.#count(request.attempt);
    this.#noteSources(request);
    const file = this.#stage.files.find(({ key }) => key.inodeId === request.key.inodeId);
    const appended = file?.history.lists.get(request.chunkIndex)?.length ?? 0;
    const merged = request.replacement.filter((version) => version.compaction >= request.attempt);
    for (const { compaction } of merged) {
      if (!this.#appendedBefore.has(compaction)) this.#appendedBefore.set(compaction, appended);
    }
  }

  #count(attempt: bigint): void {
    const { made, standingMs } = this.#commitsOf(attempt);
    this.#commits.set(attempt, { made: made + 1, standingMs: [...standingMs, this.#stage.scheduler.nowMs] });
  }

  #commitsOf(attempt: bigint): Commits {
    return this.#commits.get(attempt) ?? { made: 0, standingMs: [] };
  }

  /** The metadata server has lost every change from this true time on. */
  #undoCommits(sinceMs: number): void {
    for (const [attempt, { made, standingMs }] of this.#commits) {
      this.#commits.set(attempt, { made, standingMs: standingMs.filter((atMs) => atMs < sinceMs) });
    }
  }

  /** What a commit retires, for the objects of it that the store did not keep. */
  #noteSources({ key, chunkIndex, replaced, replacement }: CommitRequest): void {
    if (this.#stage.untrue.size === 0) return;
    const file = this.#stage.files.find((one) => one.key.inodeId === key.inodeId);
    if (file === undefined) return;
    const namesOf = (versions: typeof replaced): Set<string> => {
      const state = this.#stage.state(file, { length: 0, lists: new Map([[chunkIndex, [...versions]]]) });
      return new Set(referencedObjects(state).keys());
    };
    const kept = namesOf(replacement);
    const retired = [...namesOf(replaced)].filter((name) => !kept.has(name));
    for (const name of kept) {
      if (!this.#stage.untrue.has(name) || this.#sources.has(name)) continue;
      // What an object replaces is of its own block.
      this.#sources.set(name, new Set(retired.filter((one) => blockOf(one) === blockOf(name))));
    }
  }

  /** I10: what the store did not keep can be made again as long as the lists reference it. */
  #checkSources(): void {
    const bucket = this.#stage.stores.bucket(BUCKET);
    for (const [name, sources] of this.#sources) {
      if (!this.#referenced.has(name) || bucket.has(name)) continue;
      const gone = [...sources].find((source) => !bucket.has(source) && !this.#stage.untrue.has(source));
      if (gone !== undefined) this.fail(`I10: ${gone} is gone although ${name}, which replaces it, was never kept`);
    }
  }

  #listsChanged(): void {
    const stage = this.#stage;
    const referenced = new Set<string>();
    const bucket = stage.stores.bucket(BUCKET);
    for (const file of stage.files) {
      for (const name of stage.referencedBy(file)) referenced.add(name);
      this.#fileChanged(file);
    }
    for (const name of referenced) {
      if (!bucket.has(name) && !stage.uploads.has(name) && !stage.untrue.has(name))
        this.fail(`I4: ${name} is referenced and not there`);
    }
    for (const name of this.#referenced)
      if (!referenced.has(name)) this.#unreferencedAtMs.set(name, stage.scheduler.nowMs);
    this.#referenced = referenced;
  }

  #fileChanged(file: SimFile): void {
    const state = this.#stage.stateOf(file);
    if (state === null) return;
    const bytes = this.read(file, state, 'I1');
    const fault = bytes === null ? null : file.history.mismatch(bytes);
    if (fault !== null) this.fail(`I1: inode ${file.key.inodeId}: ${fault}`);
    this.#checkOrder(file);
  }

  /** I2: what clients appended is in the order in which they did, and merged versions lie below what came later. */
  #checkOrder(file: SimFile): void {
    // A metaserver orders by id, whoever came first; what may be read then is the history's to say.
    if (this.#stage.metadata.order === 'id') return;
    for (const [index, list] of this.#stage.inodeOf(file)?.lists ?? []) {
      const written = file.history.lists.get(index) ?? [];
      let last = -1;
      for (const { chunkId, compaction, offset, len } of list) {
        if (compaction === 0n) {
          // A kept version may be narrowed; an id that a server gave out twice names two versions.
          const at = written.findIndex(
            (one) => one.chunkId === chunkId && one.offset <= offset && one.offset + one.len >= offset + len,
          );
          if (at < last) this.fail(`I2: chunk ${index}: version ${chunkId} has sunk below an older one`);
          last = at;
        } else if (last >= (this.#appendedBefore.get(compaction) ?? Number.POSITIVE_INFINITY)) {
          this.fail(`I2: chunk ${index}: the merged version ${compaction} lies above one that came after it`);
        }
      }
    }
  }

  /** A tested process sends a DELETE (I10): what fails afterwards has nothing to do with it. */
  deleteSent(process: SimProcess): void {
    const failed = process.failed.find((name) => name.startsWith('metadata'));
    // A pass over the bucket leaves out the inode that it could not read; of the others I7 says whether it was right.
    if (failed !== undefined && !process.name.startsWith('garbage collector'))
      this.fail(`I10: ${process.name} deletes although ${failed} failed`);
  }

  /** A DELETE takes effect (I7). */
  deletes(names: readonly string[]): void {
    for (const name of names) this.#checkDelete(name);
  }

  /** A tested process sends a PUT (I7, I12): within its lease, and of an object that a record speaks of. */
  putSent(process: SimProcess, name: string): void {
    const attempting = this.#attempting.get(process);
    const lateMs = Number(process.clock.monotonicMs()) - (attempting?.leaseEndsMs ?? Number.NEGATIVE_INFINITY);
    if (lateMs > 0) this.fail(`I7: ${process.name} puts ${name} ${lateMs} ms after its lease`);
    if (!this.#stage.ledger.everRecorded.has(name)) this.fail(`I12: ${name} is put before any record speaks of it`);
  }

  /** An object has come into the bucket; if nothing references it and no record does, only gc can find it. */
  put(name: string, process?: SimProcess): void {
    const recorded = [...this.#stage.ledger.records.values()].some(
      ({ merged, retired }) => merged.includes(name) || retired.includes(name),
    );
    if (recorded || this.#referenced.has(name)) return;
    this.leaks.set(name, process === undefined ? 'its file was changed while it was uploaded' : LATE_PUT);
    // A request that comes later than the end of its process is nobody's.
    if (process !== undefined) this.#attempting.get(process)?.late.push(name);
  }

  #checkDelete(name: string): void {
    const { scheduler } = this.#stage;
    if (this.#referenced.has(name)) this.fail(`I7: ${name} is deleted and still referenced`);
    if (this.#stage.neighbours.has(name)) this.fail(`I7: ${name} of another file system is deleted`);
    const age = scheduler.nowMs - (this.#unreferencedAtMs.get(name) ?? Number.NEGATIVE_INFINITY);
    if (age < this.#options.graceMs - this.#options.clockStepMaxMs) {
      this.fail(`I7: ${name} is deleted ${age} ms after it became unreferenced`);
    }
    for (const [id, { untilMs, names }] of this.#held) {
      if (scheduler.nowMs < untilMs && names.has(name)) this.fail(`${name} is deleted under hold ${id}`);
    }
    for (const reading of this.readings) {
      if (visibleObjects(reading.state, 0, reading.state.length).has(name)) {
        this.fail(`I7: ${name} is deleted under a reader of inode ${reading.file.key.inodeId}`);
      }
    }
  }

  #afterCall(call: StoreCall): void {
    if (call.op === 'delete') this.#checkSources();
    if (call.op !== 'put') return;
    const [name = ''] = call.names;
    const bytes = this.#stage.stores.bucket(BUCKET).get(name)?.bytes;
    const content = Buffer.from(bytes ?? []).toString('latin1');
    const before = this.#contents.get(name);
    if (before !== undefined && before !== content) this.fail(`I3: ${name} was written twice with different content`);
    this.#contents.set(name, content);
  }
}
