/**
 * Replays a life under a policy: after each flush the policy may compact the chunks that changed, and then the file is
 * looked at as a reader would find it. It counts requests and bytes; it does no I/O.
 */
import type { PlanCost, S3ChunkInfo } from '../../src/model.ts';
import { addCost, NO_COST, objectsOf, type ReadCost, readCost } from '../../src/plan/index.ts';
import type { Life } from './life.ts';
import type { Policy } from './policies.ts';

/** What a policy came to over one life. Averages are over flushes. */
export interface Outcome {
  readonly flushes: number;
  readonly cost: PlanCost;
  readonly compactions: number;
  readonly objectsDeleted: number;
  /** GETs of one full sequential read. */
  readonly getsAverage: number;
  readonly versionsAverage: number;
  /** Bytes of all objects after each flush, and those that a list makes visible. */
  readonly storedBytes: readonly number[];
  readonly visibleBytes: readonly number[];
  /** The same at the end of the life. */
  readonly getsLast: number;
}

interface Chunk {
  versions: S3ChunkInfo[];
  appended: number;
  changed: boolean;
  read: ReadCost;
}

const NOTHING: ReadCost = { gets: 0, dataBytes: 0, versions: 0, objects: 0, storedBytes: 0 };

export function replay(life: Life, policy: Policy): Outcome {
  const run = new Replay(life, policy);
  for (const event of life.events) {
    if (event.kind === 'append') run.append(event.chunkIndex, event.version);
    else if (event.kind === 'length') run.setLength(event.length);
    else run.flush();
  }
  return run.outcome();
}

class Replay {
  readonly #life: Life;
  readonly #policy: Policy;
  readonly #chunks = new Map<number, Chunk>();
  #length = 0;
  #attempts = 1n << 40n;
  #cost = NO_COST;
  #compactions = 0;
  #deleted = 0;
  #flushes = 0;
  #now = NOTHING;
  #sum = { gets: 0, versions: 0 };
  readonly #stored: number[] = [];
  readonly #visible: number[] = [];

  constructor(life: Life, policy: Policy) {
    this.#life = life;
    this.#policy = policy;
  }

  append(chunkIndex: number, version: S3ChunkInfo): void {
    const known = this.#chunks.get(chunkIndex);
    const chunk = known ?? { versions: [], appended: 0, changed: true, read: NOTHING };
    chunk.versions.push(version);
    chunk.appended++;
    chunk.changed = true;
    if (known === undefined) this.#chunks.set(chunkIndex, chunk);
  }

  setLength(length: number): void {
    const { chunkSize } = this.#life.geometry;
    const from = Math.floor(Math.min(length, this.#length) / chunkSize);
    if (length !== this.#length) {
      for (const [index, chunk] of this.#chunks) if (index >= from) chunk.changed = true;
    }
    this.#length = length;
  }

  flush(): void {
    this.#flushes++;
    for (const [chunkIndex, chunk] of this.#chunks) {
      if (!chunk.changed) continue;
      this.#compact(chunkIndex, chunk);
      this.#look(chunkIndex, chunk);
      chunk.changed = false;
    }
    this.#sum.gets += this.#now.gets;
    this.#sum.versions += this.#now.versions;
    this.#stored.push(this.#now.storedBytes);
    this.#visible.push(this.#now.dataBytes);
  }

  #input(chunkIndex: number, chunk: Chunk) {
    return { geometry: this.#life.geometry, chunkIndex, versions: chunk.versions, length: this.#length };
  }

  #compact(chunkIndex: number, chunk: Chunk): void {
    this.#attempts += 1n << 12n;
    const view = { ...this.#input(chunkIndex, chunk), appended: chunk.appended, attempt: this.#attempts };
    const done = this.#policy.compact(view);
    if (done === null) return;
    const before = this.#names(chunk.versions);
    for (const name of this.#names(done.versions)) before.delete(name);
    this.#deleted += before.size;
    this.#cost = addCost(this.#cost, done.cost);
    this.#compactions++;
    chunk.versions = [...done.versions];
    chunk.appended = 0;
  }

  #names(versions: readonly S3ChunkInfo[]): Set<string> {
    const names = new Set<string>();
    for (const { chunkId, compaction, blockIndex } of objectsOf(versions, this.#life.geometry)) {
      names.add(`${chunkId}_${blockIndex}_${compaction}`);
    }
    return names;
  }

  /** Only what changed is looked at again. */
  #look(chunkIndex: number, chunk: Chunk): void {
    const read = readCost(this.#input(chunkIndex, chunk));
    const add = (key: keyof ReadCost): number => this.#now[key] - chunk.read[key] + read[key];
    this.#now = {
      gets: add('gets'),
      dataBytes: add('dataBytes'),
      versions: add('versions'),
      objects: add('objects'),
      storedBytes: add('storedBytes'),
    };
    chunk.read = read;
  }

  outcome(): Outcome {
    const per = (sum: number): number => sum / Math.max(1, this.#flushes);
    return {
      flushes: this.#flushes,
      cost: this.#cost,
      compactions: this.#compactions,
      objectsDeleted: this.#deleted,
      getsAverage: per(this.#sum.gets),
      versionsAverage: per(this.#sum.versions),
      storedBytes: this.#stored,
      visibleBytes: this.#visible,
      getsLast: this.#now.gets,
    };
  }
}
