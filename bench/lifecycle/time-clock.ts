/**
 * The second clock: reads are spread evenly over time, from the first write until ten times the writing span after it, and
 * policies come when they come in life: a pass in the background at an interval, with each write, with each read. What is
 * read after the last write counts here, which the old clock (replay.ts) never sees. It counts; it does no I/O.
 */

import { REST_MS } from '../../src/ledger.ts';
import type { PlanCost, RestMark, S3ChunkInfo } from '../../src/model.ts';
import type { ReadCost } from '../../src/plan/index.ts';
import { FileState, type Rule } from './file-state.ts';
import type { Course } from './hindsight.ts';
import type { Life, LifeEvent } from './life.ts';

/** A file while its life is replayed, in some layout; `R` is what a policy would do to a chunk of it. */
export interface LivingFile<R> {
  append(chunkIndex: number, version: S3ChunkInfo): void;
  /** The chunks that another length changes. */
  setLength(length: number): readonly number[];
  /** Whether the rule changed the chunk. */
  compact(chunkIndex: number, rule: R, age?: Age): boolean;
  /** What a full read costs now. */
  look(): Pick<ReadCost, 'gets' | 'storedBytes' | 'dataBytes'>;
  /** The highest number that a merged version may have by now. */
  readonly lastCompaction: bigint;
  readonly cost: PlanCost;
}

/** What is known of ages when a policy comes. */
export interface Age {
  readonly rest?: RestMark;
  /** Since the file was last written. */
  readonly quietMs: number;
}

/** How a policy comes to a file. */
export interface Worker<R = Rule> {
  readonly name: string;
  /**
   * At every pass, with the chunks that changed since, once the file was left alone for `quietMs`. `ages`: it is told what is at
   * rest, and comes again when that has changed.
   */
  readonly pass?: { readonly quietMs: number; readonly rule: R; readonly ages?: boolean };
  /** At each flush, with the chunks that it wrote: what runs in the background sees no flush half done. */
  readonly onWrite?: R;
  /** After each full read, with all chunks. */
  readonly onRead?: R;
}

export interface Times {
  readonly readsPerHour: number;
  /** From one pass over all files to the next. */
  readonly passMs: number;
}

export interface TimeOutcome {
  readonly reads: number;
  /** Of all reads together. */
  readonly gets: number;
  readonly cost: PlanCost;
  /** Bytes of all objects, and those that a list makes visible, at each read. */
  readonly storedBytes: readonly number[];
  readonly visibleBytes: readonly number[];
}

const HOUR_MS = 3_600_000;
/** Reads go on until so many times the writing span after the first write. */
const SPANS = 10;

interface Flush {
  readonly ms: number;
  readonly events: readonly LifeEvent[];
}

/** The events of each flush, which has one time for all. Throws for a life without times. */
function flushesOf({ events, name }: Life): Flush[] {
  const out: Flush[] = [];
  let own: LifeEvent[] = [];
  for (const event of events) {
    if (event.kind !== 'flush') {
      own.push(event);
      continue;
    }
    if (event.ms === undefined) throw new Error(`${name} does not tell when its flushes were: no ["f", ms]`);
    out.push({ ms: event.ms, events: own });
    own = [];
  }
  return out;
}

interface Moment {
  readonly ms: number;
  readonly what: 'pass' | 'flush' | 'read';
  readonly flush?: Flush;
}

/** Everything that happens to a file, in order; at the same moment what was seen before comes before what is written. */
function momentsOf(life: Life, { readsPerHour, passMs }: Times): Moment[] {
  const flushes = flushesOf(life);
  const first = flushes[0]?.ms ?? 0;
  const last = flushes.at(-1)?.ms ?? 0;
  const end = first + SPANS * (last - first);
  const moments: Moment[] = [];
  for (let ms = first + passMs; ms <= end; ms += passMs) moments.push({ ms, what: 'pass' });
  const every = HOUR_MS / readsPerHour;
  for (let ms = first + every / 2; ms <= end; ms += every) moments.push({ ms, what: 'read' });
  for (const flush of flushes) moments.push({ ms: flush.ms, what: 'flush', flush });
  // A sort is stable: passes before reads before writes.
  return moments.sort((a, b) => a.ms - b.ms);
}

export function replayInTime(life: Life, worker: Worker, times: Times): TimeOutcome {
  return liveInTime(life, { file: new FileState(life.geometry), worker, times });
}

export interface Living<R> {
  /** New; it has lived in the end. */
  readonly file: LivingFile<R>;
  readonly worker: Worker<R>;
  readonly times: Times;
}

/** The old clock for any layout: with each flush the writer, a pass, and then a reader. */
export function liveAtFlushes<R>(life: Life, { file, worker }: Omit<Living<R>, 'times'>): TimeOutcome {
  const run = new Run(file, worker);
  let own: LifeEvent[] = [];
  for (const event of life.events) {
    if (event.kind !== 'flush') {
      own.push(event);
      continue;
    }
    run.write(own, 0);
    run.pass(0);
    run.read();
    own = [];
  }
  return run.outcome();
}

export function liveInTime<R>(life: Life, { file, worker, times }: Living<R>): TimeOutcome {
  const run = new Run(file, worker);
  for (const { what, ms, flush } of momentsOf(life, times)) {
    if (what === 'pass') run.pass(ms);
    else if (what === 'read') run.read();
    else run.write(flush?.events ?? [], ms);
  }
  return run.outcome();
}

/** The same for hindsight: blocks may be rewritten at passes. */
export function timeCourse(life: Life, times: Times): Course {
  const ofFlush: number[] = [];
  const passes: number[] = [];
  const readsBefore = [0];
  let moment = 0;
  for (const { what } of momentsOf(life, times)) {
    if (what === 'flush') {
      ofFlush.push(moment);
      continue;
    }
    if (what === 'pass') passes.push(moment);
    readsBefore.push((readsBefore.at(-1) ?? 0) + (what === 'read' ? 1 : 0));
    moment++;
  }
  return {
    ofFlush,
    rewriteAt: (from) => passes.find((pass) => pass >= from),
    readsBefore: (before) => readsBefore[before] ?? 0,
    moments: moment,
  };
}

class Run<R> {
  readonly #file: LivingFile<R>;
  readonly #worker: Worker<R>;
  /** Chunks that a pass, or a read, has not found finished since they changed; when that was. */
  readonly #toPass = new Map<number, number>();
  readonly #toRead = new Set<number>();
  /** The highest ids by then, oldest first. */
  readonly #ids: { readonly ms: number; readonly mark: RestMark }[] = [];
  #chunkId = 0n;
  #writtenMs = 0;
  #gets = 0;
  readonly #stored: number[] = [];
  readonly #visible: number[] = [];

  constructor(file: LivingFile<R>, worker: Worker<R>) {
    this.#file = file;
    this.#worker = worker;
  }

  write(events: readonly LifeEvent[], ms: number): void {
    const { onWrite } = this.#worker;
    const appended = new Set<number>();
    this.#writtenMs = ms;
    for (const event of events) {
      if (event.kind === 'length') for (const index of this.#file.setLength(event.length)) this.#touch(index, ms);
      if (event.kind !== 'append') continue;
      this.#file.append(event.chunkIndex, event.version);
      this.#touch(event.chunkIndex, ms);
      if (event.version.chunkId > this.#chunkId) this.#chunkId = event.version.chunkId;
      appended.add(event.chunkIndex);
    }
    if (onWrite !== undefined) for (const index of appended) this.#file.compact(index, onWrite);
  }

  #touch(chunkIndex: number, ms: number): void {
    this.#toPass.set(chunkIndex, ms);
    this.#toRead.add(chunkIndex);
  }

  pass(ms: number): void {
    const { pass } = this.#worker;
    if (pass === undefined || ms - this.#writtenMs < pass.quietMs) return;
    const rest = pass.ages === true ? this.#restMark(ms) : undefined;
    for (const [index, changedMs] of this.#toPass) {
      const age = rest === undefined ? undefined : { rest, quietMs: ms - this.#writtenMs };
      if (this.#file.compact(index, pass.rule, age)) this.#toPass.set(index, ms);
      else if (rest === undefined || Math.max(changedMs, this.#writtenMs) < ms - REST_MS) this.#toPass.delete(index);
    }
  }

  #restMark(ms: number): RestMark {
    const none: RestMark = { chunkId: 0n, compaction: 0n };
    const mark = this.#ids.findLast((noted) => noted.ms <= ms - REST_MS)?.mark ?? none;
    this.#ids.push({ ms, mark: { chunkId: this.#chunkId, compaction: this.#file.lastCompaction } });
    return mark;
  }

  read(): void {
    const now = this.#file.look();
    this.#gets += now.gets;
    this.#stored.push(now.storedBytes);
    this.#visible.push(now.dataBytes);
    const { onRead } = this.#worker;
    if (onRead === undefined) return;
    for (const index of this.#toRead) if (!this.#file.compact(index, onRead)) this.#toRead.delete(index);
  }

  outcome(): TimeOutcome {
    const { cost } = this.#file;
    return {
      reads: this.#stored.length,
      gets: this.#gets,
      cost,
      storedBytes: this.#stored,
      visibleBytes: this.#visible,
    };
  }
}
