/**
 * One file of a JuiceFS volume while its life is replayed: what a writer flushes is a slice of its own, with blocks of its own, and what
 * is replaced goes at once (no trash). Beside it what changes a list there: a client's compaction, by its triggers, and our
 * planner. Counts only. It must not know when anybody comes.
 */
import {
  blockCount,
  CHUNK_BYTES,
  clientMerge,
  clientRewrite,
  listAfter,
  piecesOf,
  planSlices,
  readsOf,
  type SliceGeometry,
  type SlicePolicy,
  type SliceRecord,
} from '../../src/layout/slices/index.ts';
import type { Geometry, PlanCost, S3ChunkInfo } from '../../src/model.ts';
import { addCost, NO_COST } from '../../src/plan/index.ts';
import type { Age, LivingFile } from './time-clock.ts';

/** A list of more records starts a compaction with each write; one that reaches a hundredth record, too. */
const LONG = 350;
const HUNDRED = 100;
const ZEROS = { id: 0n, size: 0, from: 0 };

export interface SliceChunkView {
  readonly records: readonly SliceRecord[];
  /** Records appended since the list was last changed otherwise. */
  readonly appended: number;
  readonly geometry: SliceGeometry;
  /** Since the file was last written, where there is time. */
  readonly quietMs: number;
  newId(): bigint;
}

export interface SliceCompaction {
  readonly by: 'client' | 'ours';
  readonly records: readonly SliceRecord[];
  readonly cost: PlanCost;
}

/** `null`: the list stays as it is. */
export type SliceRule = (chunk: SliceChunkView) => SliceCompaction | null;

function clientCompacts({ records, geometry, newId }: SliceChunkView): SliceCompaction | null {
  const merge = clientMerge(records);
  if (merge === null) return null;
  const end = Math.min(records.length, 1_000);
  const from = end - merge.records;
  const { gets, bytes } = readsOf(piecesOf(records.slice(from, end)), geometry);
  // Of zeros alone one byte is written.
  const size = Math.max(1, merge.bytes);
  const cost = {
    readRequests: gets,
    readBytes: bytes,
    writeRequests: blockCount(size, geometry.blockSize),
    writeBytes: size,
  };
  const one = { offset: merge.begin, len: size, id: newId(), size, from: 0 };
  return { by: 'client', records: [...records.slice(0, from), one, ...records.slice(end)], cost };
}

/** By whoever writes. */
export const clientOnWrite: SliceRule = (chunk) => {
  const { length } = chunk.records;
  const before = length - chunk.appended;
  const hundredth = Math.floor((length + 1) / HUNDRED) > Math.floor((before + 1) / HUNDRED);
  return hundredth || length > LONG ? clientCompacts(chunk) : null;
};

/** By whoever reads and may write. */
export const clientOnRead: SliceRule = (chunk) =>
  clientRewrite(chunk.records) === null ? null : clientCompacts(chunk);

export function oursOnSlices(policyAt: (quietMs: number) => SlicePolicy): SliceRule {
  return ({ records, geometry, quietMs, newId }) => {
    const policy = policyAt(quietMs);
    const plan = planSlices(records.slice(0, 1_000), { geometry, policy, referencesOf: () => 1 });
    if (plan === null) return null;
    return { by: 'ours', records: [...listAfter(plan, newId), ...records.slice(1_000)], cost: plan.cost };
  };
}

interface Chunk {
  records: SliceRecord[];
  appended: number;
  changed: boolean;
  read: Read;
}

interface Read {
  readonly gets: number;
  readonly storedBytes: number;
  readonly dataBytes: number;
}

const NOTHING: Read = { gets: 0, storedBytes: 0, dataBytes: 0 };

export class SliceFile implements LivingFile<SliceRule> {
  readonly lastCompaction = 0n;
  readonly #geometry: SliceGeometry;
  readonly #chunks = new Map<number, Chunk>();
  #length = 0;
  #ids = 0n;
  #now = NOTHING;
  readonly costs: Record<SliceCompaction['by'], PlanCost> = { client: NO_COST, ours: NO_COST };

  constructor({ blockSize, chunkSize }: Geometry) {
    if (chunkSize !== CHUNK_BYTES) throw new Error(`JuiceFS has no chunks of ${chunkSize} bytes`);
    this.#geometry = { volume: '', blockSize, hashPrefix: false, wholeObjects: false };
  }

  get cost(): PlanCost {
    return addCost(this.costs.client, this.costs.ours);
  }

  append(chunkIndex: number, { offset, len, zero }: S3ChunkInfo): void {
    const slice = zero ? ZEROS : { id: this.#newId(), size: len, from: 0 };
    this.#push(chunkIndex, { offset: offset - chunkIndex * CHUNK_BYTES, len, ...slice });
    this.#length = Math.max(this.#length, offset + len);
  }

  /** What a write has made longer is that long already; any other change is a truncate, and writes zeros. */
  setLength(length: number): number[] {
    const [begin, end] = [Math.min(this.#length, length), Math.max(this.#length, length)];
    this.#length = length;
    if (begin === end) return [];
    const [first, last] = [Math.floor(begin / CHUNK_BYTES), Math.floor((end - 1) / CHUNK_BYTES)];
    // A chunk between gets zeros only where it has a list.
    const touched = [...new Set([first, last, ...this.#chunks.keys()])].filter((n) => n >= first && n <= last);
    for (const n of touched) {
      const from = Math.max(begin - n * CHUNK_BYTES, 0);
      this.#push(n, { offset: from, len: Math.min(end - n * CHUNK_BYTES, CHUNK_BYTES) - from, ...ZEROS });
    }
    return touched;
  }

  compact(chunkIndex: number, rule: SliceRule, { quietMs }: Age = { quietMs: 0 }): boolean {
    const chunk = this.#chunks.get(chunkIndex);
    if (chunk === undefined) return false;
    const { records, appended } = chunk;
    const done = rule({ records, appended, quietMs, geometry: this.#geometry, newId: () => this.#newId() });
    if (done === null) return false;
    this.costs[done.by] = addCost(this.costs[done.by], done.cost);
    this.#chunks.set(chunkIndex, { records: [...done.records], appended: 0, changed: true, read: chunk.read });
    return true;
  }

  look(): Read {
    for (const [chunkIndex, chunk] of this.#chunks) {
      if (!chunk.changed) continue;
      const read = this.#readOf(chunkIndex, chunk.records);
      const add = (key: keyof Read): number => this.#now[key] - chunk.read[key] + read[key];
      this.#now = { gets: add('gets'), storedBytes: add('storedBytes'), dataBytes: add('dataBytes') };
      chunk.read = read;
      chunk.changed = false;
    }
    return this.#now;
  }

  #newId(): bigint {
    this.#ids += 1n;
    return this.#ids;
  }

  #push(chunkIndex: number, record: SliceRecord): void {
    const known = this.#chunks.get(chunkIndex);
    const chunk = known ?? { records: [], appended: 0, changed: true, read: NOTHING };
    chunk.records.push(record);
    chunk.appended++;
    chunk.changed = true;
    if (known === undefined) this.#chunks.set(chunkIndex, chunk);
  }

  #readOf(chunkIndex: number, records: readonly SliceRecord[]): Read {
    const end = this.#length - chunkIndex * CHUNK_BYTES;
    const pieces = piecesOf(records).filter(({ begin }) => begin < end);
    const sizes = new Map(records.map(({ id, size }) => [id, size]));
    return {
      gets: readsOf(pieces, this.#geometry).gets,
      storedBytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
      dataBytes: pieces.reduce((sum, piece) => sum + piece.end - piece.begin, 0),
    };
  }
}
