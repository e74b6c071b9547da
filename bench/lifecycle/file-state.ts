/**
 * One file while its life is replayed: its chunk lists, what compacting them took, and what reading it costs. Both clocks
 * (replay.ts, time-clock.ts) move the same state, so their figures differ by the clock alone. It must not know when to compact.
 */
import type { PlanCost, S3ChunkInfo } from '../../src/model.ts';
import { addCost, NO_COST, objectsOf, type ReadCost, readCost } from '../../src/plan/index.ts';
import type { Life } from './life.ts';
import type { ChunkView, Compaction } from './policies.ts';
import type { Age } from './time-clock.ts';

/** What a policy would do to a chunk. */
export type Rule = (chunk: ChunkView) => Compaction | null;

interface Chunk {
  versions: S3ChunkInfo[];
  appended: number;
  /** Since it was last looked at. */
  changed: boolean;
  read: ReadCost;
}

const NOTHING: ReadCost = { gets: 0, dataBytes: 0, versions: 0, objects: 0, storedBytes: 0 };

export class FileState {
  readonly #geometry: Life['geometry'];
  readonly #chunks = new Map<number, Chunk>();
  #length = 0;
  #attempts = 1n << 40n;
  #now = NOTHING;
  cost: PlanCost = NO_COST;
  compactions = 0;
  deleted = 0;

  constructor(geometry: Life['geometry']) {
    this.#geometry = geometry;
  }

  append(chunkIndex: number, version: S3ChunkInfo): void {
    const known = this.#chunks.get(chunkIndex);
    const chunk = known ?? { versions: [], appended: 0, changed: true, read: NOTHING };
    chunk.versions.push(version);
    chunk.appended++;
    chunk.changed = true;
    if (known === undefined) this.#chunks.set(chunkIndex, chunk);
  }

  /** The chunks that another length changes. */
  setLength(length: number): number[] {
    const from = Math.floor(Math.min(length, this.#length) / this.#geometry.chunkSize);
    const touched = length === this.#length ? [] : [...this.#chunks.keys()].filter((index) => index >= from);
    for (const index of touched) this.#chunk(index).changed = true;
    this.#length = length;
    return touched;
  }

  /** Whether the rule changed the chunk. */
  compact(chunkIndex: number, rule: Rule, age?: Age): boolean {
    const chunk = this.#chunk(chunkIndex);
    this.#attempts += 1n << 12n;
    const done = rule({
      ...this.#input(chunkIndex, chunk),
      appended: chunk.appended,
      attempt: this.#attempts,
      ...(age?.rest === undefined ? {} : { rest: age.rest }),
    });
    if (done === null) return false;
    const before = this.#names(chunk.versions);
    for (const name of this.#names(done.versions)) before.delete(name);
    this.deleted += before.size;
    this.cost = addCost(this.cost, done.cost);
    this.compactions++;
    chunk.versions = [...done.versions];
    chunk.appended = 0;
    chunk.changed = true;
    return true;
  }

  /** The highest number that a merged version may have by now. */
  get lastCompaction(): bigint {
    return this.#attempts + (1n << 12n) - 1n;
  }

  /** What a full read costs now; only what changed is looked at again. */
  look(): ReadCost {
    for (const [chunkIndex, chunk] of this.#chunks) {
      if (!chunk.changed) continue;
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
      chunk.changed = false;
    }
    return this.#now;
  }

  #chunk(chunkIndex: number): Chunk {
    const chunk = this.#chunks.get(chunkIndex);
    if (chunk === undefined) throw new Error(`no chunk ${chunkIndex}`);
    return chunk;
  }

  #input(chunkIndex: number, chunk: Chunk) {
    return { geometry: this.#geometry, chunkIndex, versions: chunk.versions, length: this.#length };
  }

  #names(versions: readonly S3ChunkInfo[]): Set<string> {
    const names = new Set<string>();
    for (const { chunkId, compaction, blockIndex } of objectsOf(versions, this.#geometry)) {
      names.add(`${chunkId}_${blockIndex}_${compaction}`);
    }
    return names;
  }
}
