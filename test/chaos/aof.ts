/**
 * The append-only file of a killed Redis, cut as a power failure would have left it. SIGKILL alone loses nothing: the
 * kernel has what Redis wrote. With a flush every second the last second may be missing, so the end is cut off at where
 * the file was some time before. What was cut is kept: it is the evidence for what only gc can find (I12).
 */
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MERGED_VERSION_BITS } from '../../src/model.ts';

const SAMPLE_EVERY_MS = 20;
/** Longer than any loss. */
const SAMPLES_KEPT_MS = 5_000;

/** A reap record that holds an object's name: where it stands in the file, and whose it is. */
interface Mention {
  readonly at: number;
  readonly attempt: string;
}

interface RecordTrace {
  readonly kept: readonly Mention[];
  readonly lost: readonly Mention[];
}

/** Behind its names each record has the number of its attempt. */
const ATTEMPT_OF_RECORD = /"attempt":"(\d+)"/;
/** No record is longer. */
const RECORD_BYTES_MAX = 1_000_000;

function mentionsIn(bytes: Buffer, name: string): Mention[] {
  const quoted = `"${name}"`;
  const found: Mention[] = [];
  for (let at = bytes.indexOf(quoted); at >= 0; at = bytes.indexOf(quoted, at + 1)) {
    const [, attempt = ''] = ATTEMPT_OF_RECORD.exec(bytes.toString('latin1', at, at + RECORD_BYTES_MAX)) ?? [];
    found.push({ at, attempt });
  }
  return found;
}

/** An attempt's number, of its record or of an object: each version that it merges has a number of its own in the low bits. */
function attemptOf(digits: string): bigint {
  return BigInt(/^\d+$/.test(digits) ? digits : 0) >> BigInt(MERGED_VERSION_BITS);
}

function wasLost({ kept, lost }: RecordTrace): boolean {
  return lost.some((one) => kept.every(({ at }) => at >= one.at));
}

export class AofTail {
  readonly #directory: string;
  readonly #timer: NodeJS.Timeout;
  #samples: { readonly atMs: number; readonly bytes: number }[] = [];
  /** Every end that was cut off, and where. */
  readonly #lost: { readonly at: number; readonly bytes: Buffer }[] = [];

  constructor(directory: string) {
    this.#directory = join(directory, 'appendonlydir');
    this.#timer = setInterval(() => this.#sample(), SAMPLE_EVERY_MS);
  }

  /** Cuts off what was appended in the last `ms` before `killedAtMs`; returns how many bytes. Redis must be gone. */
  cut(killedAtMs: number, ms: number): number {
    const before = this.#samples.findLast(({ atMs }) => atMs <= killedAtMs - ms);
    const path = this.#path();
    if (before === undefined || path === undefined) return 0;
    const file = openSync(path, 'r+');
    try {
      const tail = Buffer.alloc(Math.max(0, statSync(path).size - before.bytes));
      readSync(file, tail, 0, tail.length, before.bytes);
      this.#lost.push({ at: before.bytes, bytes: tail });
      ftruncateSync(file, before.bytes);
      this.#samples = [];
      return tail.length;
    } finally {
      closeSync(file);
    }
  }

  /** What the file says of an object's reap records: the one of the attempt that made it, and those that retire it. */
  recordsOf(name: string): { readonly made: RecordTrace; readonly retired: RecordTrace } {
    const maker = attemptOf(name.slice(name.lastIndexOf('_') + 1));
    const path = this.#path();
    const kept = path === undefined ? [] : mentionsIn(readFileSync(path), name);
    const lost = this.#lost.flatMap(({ at, bytes }) =>
      mentionsIn(bytes, name).map((mention) => ({ ...mention, at: at + mention.at })),
    );
    const traceOf = (belongs: (mention: Mention) => boolean): RecordTrace => ({
      kept: kept.filter(belongs),
      lost: lost.filter(belongs),
    });
    return {
      made: traceOf(({ attempt }) => attemptOf(attempt) === maker),
      retired: traceOf(({ attempt }) => attemptOf(attempt) !== maker),
    };
  }

  /**
   * Of these object names those of which a reap record was first written in an end that Redis lost: what it kept by then
   * has none. A merged object has two such records in its life, the one of its attempt and the one of the attempt that
   * replaces it; either can be the lost one. Only reap records hold object names, and the file is never rewritten.
   */
  firstWrittenInLostEnd(names: readonly string[]): string[] {
    return names.filter((name) => {
      const { made, retired } = this.recordsOf(name);
      return wasLost(made) || wasLost(retired);
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const path = this.#path();
    if (path === undefined) return;
    const bytes = statSync(path, { throwIfNoEntry: false })?.size;
    if (bytes === undefined) return;
    const atMs = performance.now();
    this.#samples = this.#samples.filter((sample) => sample.atMs > atMs - SAMPLES_KEPT_MS);
    this.#samples.push({ atMs, bytes });
  }

  #path(): string | undefined {
    const name = this.#files().findLast((one) => one.endsWith('.incr.aof'));
    return name === undefined ? undefined : join(this.#directory, name);
  }

  /** None before the server has made its folder, or when the folder has been taken away before the timer was. */
  #files(): readonly string[] {
    try {
      return readdirSync(this.#directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }
}
