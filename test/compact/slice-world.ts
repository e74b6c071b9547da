/**
 * A small JuiceFS volume on a real Redis with its objects in memory, clients that act on it, and processes of s3compact whose
 * every call can fail or be their last. What a reader sees, which objects there may be and what the references must be is
 * worked out here from keys and names, by no code of the program.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { AttemptIds } from '../../src/compact/attempt.ts';
import { compactSlices, type SliceDeps } from '../../src/compact/compact-slices.ts';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import type { CompactLimits, CompactResult } from '../../src/compact/types.ts';
import { JuicefsCommits } from '../../src/metadata/juicefs/commits.ts';
import type { Filesystem } from '../../src/model.ts';
import { blockCodec } from '../../src/objects/codec/index.ts';
import { reapSlices, type SliceReapDeps } from '../../src/reap/reap-slices.ts';
import { ledgerMs } from '../../src/time.ts';
import { encodeDelayed, encodeSlice, type RawSlice } from '../kit/juicefs/encode.ts';
import { RawVolume, wholeSlice } from '../kit/juicefs/raw-volume.ts';
import { MemoryObjectStores } from '../objects/memory-store.ts';
import { uniquePrefix } from '../setup/isolation.ts';
import { Boundary } from '../sim/boundary.ts';
import { crossing } from '../sim/crossing.ts';
import { LedgerState, MemoryLedger } from '../sim/memory-ledger.ts';

export const BLOCK = 1024;
export const BUCKET = 'bucket';
const HOUR_MS = 3_600_000;

/** How clients store a block. */
interface StoredForm {
  readonly encode: (block: Uint8Array) => Uint8Array;
  readonly decode: (body: Uint8Array) => Uint8Array;
}

const PLAIN: StoredForm = { encode: (block) => block, decode: (body) => body };
const ZSTD: StoredForm = { encode: (block) => zstdCompressSync(block), decode: (body) => zstdDecompressSync(body) };

export const LIMITS: CompactLimits = {
  policy: { fragmentThreshold: 2, readGapBytes: 64, bytesPerGet: 64 * 1024, storagePrice: 2 },
  chunksMax: 10,
  bytesMax: 1e9,
  requestsMax: 1e6,
  durationMaxMs: 600_000,
  leaseMs: 1_200_000,
  graceMs: 0,
  commitTimeoutMs: 60_000,
  blocksInFlight: 2,
  getsInFlight: 4,
};

export class SliceWorld {
  readonly raw: RawVolume;
  readonly redis: Redis;
  readonly stores = new MemoryObjectStores();
  readonly ledger = new LedgerState();
  /** What each chunk must read as, by `inode_chunk`; bytes behind are zeros. */
  readonly expected = new Map<string, Buffer>();
  #nextId = 0;
  readonly #inodes = new Set<number>();
  readonly #form: StoredForm;
  readonly #attemptIds = new AttemptIds();

  private constructor(redis: Redis, form: StoredForm) {
    this.redis = redis;
    this.#form = form;
    this.raw = new RawVolume(redis, `{${uniquePrefix('slices')}}`);
    this.stores.bucket(BUCKET);
  }

  static async make(redis: Redis, setting: Readonly<Record<string, unknown>> = {}): Promise<SliceWorld> {
    const world = new SliceWorld(redis, setting['Compression'] === 'zstd' ? ZSTD : PLAIN);
    await world.raw.format('vol', { BlockSize: BLOCK / 1024, ...setting });
    return world;
  }

  key(name: string): string {
    return `${this.raw.prefix}${name}`;
  }

  /** A new slice of a client, with its objects (unless they are written back later). */
  async slice(size: number, { late = false }: { readonly late?: boolean } = {}): Promise<number> {
    const id = await this.redis.incr(this.key('nextchunk'));
    const content = Buffer.alloc(size);
    for (let n = 0; n < size; n++) content[n] = 1 + ((id * 31 + n * 7 + (n >> 8)) % 255);
    this.#nextId = id;
    for (const { name, begin, end } of objectsOf(id, size))
      if (!late) this.stores.write(BUCKET, name, this.#form.encode(content.subarray(begin, end)));
    return id;
  }

  get lastId(): number {
    return this.#nextId;
  }

  /** A record at the end of a list, as every client writes them. */
  async append(inode: number, record: RawSlice, chunk = 0): Promise<void> {
    await this.raw.list(inode, chunk, [record]);
    await this.#expect(inode, chunk);
  }

  async write(inode: number, pos: number, size: number, chunk = 0): Promise<void> {
    await this.append(inode, wholeSlice(await this.slice(size), pos, size), chunk);
  }

  async file(inode: number, length = 64 * 1024 * 1024): Promise<void> {
    this.#inodes.add(inode);
    await this.raw.inode(inode, { length });
  }

  /** All records of one file for another, each a reference more. */
  async clone(from: number, to: number): Promise<void> {
    const values = await this.redis.lrangeBuffer(this.key(`c${from}_0`), 0, -1);
    const batch = this.redis.multi();
    for (const value of values) batch.rpush(this.key(`c${to}_0`), value);
    for (const { id, size } of values.map(parse)) if (id > 0) batch.hincrby(this.key('sliceRef'), `k${id}_${size}`, 1);
    await batch.exec();
    await this.file(to);
    await this.#expect(to, 0);
  }

  /** A client's own compaction of the whole list, in its own form: only if the list is still as it was read. */
  async compactAsClient(inode: number): Promise<void> {
    const key = this.key(`c${inode}_0`);
    const values = await this.redis.lrangeBuffer(key, 0, -1);
    const content = await this.read(inode, 0);
    if (values.length < 2 || content.length === 0) return;
    const id = await this.redis.incr(this.key('nextchunk'));
    for (const { name, begin, end } of objectsOf(id, content.length))
      this.stores.write(BUCKET, name, this.#form.encode(content.subarray(begin, end)));
    const merged = values.map(parse).filter((record) => record.id > 0);
    await this.redis
      .multi()
      .del(key)
      .rpush(key, encodeSlice(wholeSlice(id, 0, content.length)))
      .hset(this.key('delSlices'), `${id}_${Math.floor(Date.now() / 1000)}`, encodeDelayed(merged))
      .exec();
  }

  /** The file goes with its list; slices without references go with their objects. */
  async remove(inode: number): Promise<void> {
    const values = await this.redis.lrangeBuffer(this.key(`c${inode}_0`), 0, -1);
    await this.redis.del(this.key(`i${inode}`), this.key(`c${inode}_0`));
    this.expected.delete(`${inode}_0`);
    for (const { id, size } of values.map(parse)) if (id > 0) await this.#drop(id, size);
  }

  /** The hourly job of a client: delayed deletes that are due. */
  async hourly(days: number): Promise<void> {
    for (const [field, value] of Object.entries(await this.redis.hgetallBuffer(this.key('delSlices')))) {
      if (Number(field.split('_')[1]) * 1000 > Date.now() - days * 86_400_000) continue;
      if ((await this.redis.hdel(this.key('delSlices'), field)) === 0) continue;
      for (let at = 0; at < value.length; at += 12)
        await this.#drop(Number(value.readBigUInt64BE(at)), value.readUInt32BE(at + 8));
    }
  }

  async #drop(id: number, size: number): Promise<void> {
    const left = await this.redis.hincrby(this.key('sliceRef'), `k${id}_${size}`, -1);
    if (left >= 0) return;
    for (const { name } of objectsOf(id, size)) this.stores.bucket(BUCKET).delete(name);
    await this.redis.hdel(this.key('sliceRef'), `k${id}_${size}`);
  }

  async #expect(inode: number, chunk: number): Promise<void> {
    this.expected.set(`${inode}_${chunk}`, await this.read(inode, chunk));
  }

  async records(inode: number, chunk = 0): Promise<RawSlice[]> {
    return (await this.redis.lrangeBuffer(this.key(`c${inode}_${chunk}`), 0, -1)).map(parse);
  }

  /** What a reader sees, without zeros at the end. An object that is missing reads as 0xEE. */
  async read(inode: number, chunk: number): Promise<Buffer> {
    const records = await this.records(inode, chunk);
    const content = Buffer.alloc(records.reduce((most, { pos, len }) => Math.max(most, pos + len), 0));
    for (const { pos, id, size, off, len } of records) {
      if (id === 0) content.fill(0, pos, pos + len);
      else this.#bytes(id, size).copy(content, pos, off, off + len);
    }
    let end = content.length;
    while (end > 0 && content[end - 1] === 0) end--;
    return content.subarray(0, end);
  }

  #bytes(id: number, size: number): Buffer {
    const content = Buffer.alloc(size, 0xee);
    for (const { name, begin } of objectsOf(id, size)) {
      const body = this.stores.bucket(BUCKET).get(name)?.bytes;
      if (body !== undefined) Buffer.from(this.#form.decode(body)).copy(content, begin);
    }
    return content;
  }

  /** One process; `boundary` sees its every call. */
  process(boundary = new Boundary()): SliceDeps & SliceReapDeps & { readonly boundary: Boundary } {
    const commits = new JuicefsCommits({
      redis: this.redis,
      prefix: this.raw.prefix,
      timeoutMs: 60_000,
      idsAgeMs: 0,
    });
    const store = crossing(boundary, 'store', this.stores.forFilesystem({ bucket: BUCKET }));
    const ledger = new MemoryLedger(this.ledger, boundary);
    return {
      boundary,
      ledger,
      clock: systemClock,
      memory: new MemoryBudget(1 << 24),
      attemptIds: this.#attemptIds,
      volume: crossing(boundary, 'metadata', this.raw.volume),
      commits: crossing(boundary, 'metadata', commits),
      objectsOf: () => store,
      codecOf: async ({ compression }) => blockCodec(compression),
      filesystemOf: () => ({ bucket: BUCKET }) as Filesystem,
      nowMs: () => ledger.nowMs(),
      graceMs: LIMITS.graceMs,
    };
  }

  compact(
    inode: number,
    deps: SliceDeps = this.process(),
    limits: Partial<CompactLimits> = {},
  ): Promise<CompactResult> {
    return compactSlices({ fsId: 1, inodeId: BigInt(inode) }, deps, { limits: { ...LIMITS, ...limits } });
  }

  /** Looks at every record when it is due, until none is left. Answers how many objects were deleted. */
  async reapAll(deps: SliceReapDeps = this.process()): Promise<number> {
    let deleted = 0;
    for (let looks = 0; looks < 100; looks++) {
      const next = this.ledger.first();
      if (next === undefined) return deleted;
      this.ledger.nowMs = Math.max(this.ledger.nowMs + HOUR_MS, Number(next.record.dueMs));
      const verdict = await reapSlices(next.record, deps);
      deleted += verdict.deleted ?? 0;
      if (verdict.kind === 'done') this.ledger.delete(next.id);
      else this.ledger.set(next.id, verdict.record);
    }
    throw new Error('the records are not done after 100 looks');
  }

  now(): ReturnType<typeof ledgerMs> {
    return ledgerMs(this.ledger.nowMs);
  }

  /** Every byte is as expected, references are exact, and each object belongs to a slice that something names. */
  async check({ fences = false }: { readonly fences?: boolean } = {}): Promise<void> {
    const counts: Record<string, number> = {};
    const count = (id: number, size: number) => {
      if (id !== 0) counts[`k${id}_${size}`] = (counts[`k${id}_${size}`] ?? -1) + 1;
    };
    for (const inode of this.#inodes) for (const { id, size } of await this.records(inode)) count(id, size);
    for (const value of Object.values(await this.redis.hgetallBuffer(this.key('delSlices'))))
      for (let at = 0; at < value.length; at += 12)
        count(Number(value.readBigUInt64BE(at)), value.readUInt32BE(at + 8));
    const stored = Object.entries(await this.redis.hgetall(this.key('sliceRef'))).map(
      ([k, v]) => [k, Number(v)] as const,
    );
    const shared = (all: readonly (readonly [string, number])[]) =>
      Object.fromEntries(all.filter(([, more]) => more !== 0));
    expect(shared(stored)).toEqual(shared(Object.entries(counts)));
    const named = Object.keys(counts).flatMap((field) => {
      const [, id, size] = /^k(\d+)_(\d+)$/.exec(field) ?? [];
      return objectsOf(Number(id), Number(size)).map(({ name }) => name);
    });
    expect([...this.stores.bucket(BUCKET).keys()].toSorted()).toEqual(named.toSorted());
    for (const [place, content] of this.expected) {
      const [inode, chunk] = place.split('_').map(Number);
      expect((await this.read(inode ?? 0, chunk ?? 0)).equals(content), place).toBe(true);
    }
    // Every attempt is forgotten when nothing of it is left.
    if (!fences)
      expect((await this.redis.hkeys(this.key('~s3compact'))).filter((field) => field !== 'ids')).toEqual([]);
  }
}

function parse(value: Buffer): RawSlice {
  const [pos, size, off, len] = [0, 12, 16, 20].map((at) => value.readUInt32BE(at));
  return { pos: pos ?? 0, id: Number(value.readBigUInt64BE(4)), size: size ?? 0, off: off ?? 0, len: len ?? 0 };
}

/** Names, as the facts about the format have them. */
function objectsOf(id: number, size: number): { name: string; begin: number; end: number }[] {
  return Array.from({ length: Math.ceil(size / BLOCK) }, (_, n) => {
    const end = Math.min(size, (n + 1) * BLOCK);
    const name = `vol/chunks/${Math.floor(id / 1e6)}/${Math.floor(id / 1e3)}/${id}_${n}_${end - n * BLOCK}`;
    return { name, begin: n * BLOCK, end };
  });
}
