/**
 * The parts of a world of slices: one volume on a real Redis, objects in memory, models of clients on connections of their own,
 * and what a process of s3compact needs of it. Everything that anybody asks of Redis or of the store is a call of the
 * scheduler. It must not choose who does what.
 */
import { Redis } from 'ioredis';
import { AttemptIds } from '../../../src/compact/attempt.ts';
import type { SliceDeps } from '../../../src/compact/compact-slices.ts';
import { MemoryBudget } from '../../../src/compact/memory-budget.ts';
import type { CompactLimits } from '../../../src/compact/types.ts';
import { JuicefsCommits } from '../../../src/metadata/juicefs/commits.ts';
import { JuicefsVolume } from '../../../src/metadata/juicefs/volume.ts';
import type { SliceCommits, SliceFence } from '../../../src/metadata/slice-commits.ts';
import type { Filesystem } from '../../../src/model.ts';
import type { SliceReapDeps } from '../../../src/reap/reap-slices.ts';
import { encodeAttributes } from '../../kit/juicefs/encode.ts';
import { ModelClient } from '../../kit/juicefs-client/client.ts';
import { type ModelObjects, ModelVolume, TRASH } from '../../kit/juicefs-client/volume.ts';
import { MemoryObjectStores, storeFault } from '../../objects/memory-store.ts';
import type { Crossing } from '../boundary.ts';
import { crossing } from '../crossing.ts';
import { LedgerState, MemoryLedger } from '../memory-ledger.ts';
import { EPOCH_MS, type Scheduler } from '../seeded/scheduler.ts';

export const BLOCK = 1024;
const BUCKET = 'bucket';
const TIMEOUT_MS = 60_000;
const MINUTE_MS = 60_000;
/** Puts a deadline out of reach of the clock of Redis. */
const FAR_MS = 1e12;
/** Of the models: who tells them apart needs a connection for each. */
const CLIENTS = 4;

/** Long enough for a clone or a copy to end that has read an old list. */
export const GRACE_MS = 10 * MINUTE_MS;
export const LIMITS: CompactLimits = {
  policy: { fragmentThreshold: 2, readGapBytes: 64, bytesPerGet: 16 * BLOCK, storagePrice: 2 },
  chunksMax: 10,
  bytesMax: 1e9,
  requestsMax: 1e6,
  durationMaxMs: 600_000,
  leaseMs: 20 * MINUTE_MS,
  graceMs: GRACE_MS,
  commitTimeoutMs: 5_000,
  blocksInFlight: 2,
  getsInFlight: 4,
};

/** Connections to one Redis whose database is the world's own; worlds are made one after the other. */
export class SliceServers {
  readonly clients: readonly Redis[];
  readonly volume: JuicefsVolume;
  readonly commits: JuicefsCommits;
  readonly #redis: Redis;

  constructor(url: string) {
    this.#redis = new Redis(url);
    this.clients = Array.from({ length: CLIENTS }, () => new Redis(url));
    const options = { redis: this.#redis, prefix: '', timeoutMs: TIMEOUT_MS };
    this.volume = new JuicefsVolume({ ...options, redis: new Redis(url, { enableOfflineQueue: true }) });
    this.commits = new JuicefsCommits({ ...options, idsAgeMs: 0 });
  }

  /** Nothing is there any more; no client watches a key. */
  async clear(): Promise<void> {
    for (const client of this.clients) await client.unwatch();
    await this.#redis.flushdb();
  }

  async close(): Promise<void> {
    await this.volume.close();
    this.commits.close();
    for (const client of [this.#redis, ...this.clients]) client.disconnect();
  }
}

export interface StageOptions {
  readonly trashDays: number;
  /** The volume had a trash before, so clients look after delayed deletes all the same. */
  readonly hadTrash: boolean;
}

export class SliceStage {
  readonly stores = new MemoryObjectStores();
  readonly ledger = new LedgerState();
  /**
   * Objects that were written after they had been deleted, by a process that stood still until its record was done, and could
   * not renew it: only `juicefs gc` finds them.
   */
  readonly tooLate = new Set<string>();
  readonly options: StageOptions;
  /** When ids were taken. */
  readonly #takenMs = new Map<bigint, number>();
  readonly #servers: SliceServers;
  readonly #scheduler: Scheduler;
  readonly #startSeconds = Math.floor(Date.now() / 1000);

  constructor(servers: SliceServers, scheduler: Scheduler, options: StageOptions) {
    this.#servers = servers;
    this.#scheduler = scheduler;
    this.options = options;
    this.ledger.clock = () => scheduler.nowMs;
    this.stores.nowMs = () => scheduler.nowMs;
    const deleted = new Set<string>();
    this.stores.bucket(BUCKET);
    this.stores.after = ({ op, names }) => {
      for (const name of names) {
        if (op === 'delete') deleted.add(name);
        if (op === 'put' && deleted.has(name) && this.#isLongOver(name)) this.tooLate.add(name);
      }
    };
  }

  /** A first look at its record is over, and what it found is deleted. */
  #isLongOver(name: string): boolean {
    const [, id = '0'] = /(\d+)_\d+_\d+$/.exec(name) ?? [];
    const takenMs = this.#takenMs.get(BigInt(id));
    return takenMs !== undefined && this.#scheduler.nowMs > takenMs + LIMITS.leaseMs + GRACE_MS;
  }

  async format(): Promise<void> {
    await this.#servers.clear();
    await this.client(0).volume.format();
    if (!this.options.hadTrash) return;
    await this.#servers.clients[0]?.set(`i${TRASH}`, encodeAttributes({ kind: 'directory', length: 4096 }));
  }

  /** A client of the volume, on the n-th connection; without a process its calls wait for nobody. */
  client(n: number, process?: Crossing): ModelClient {
    const redis = this.#servers.clients[n];
    if (redis === undefined) throw new RangeError(`there is no connection ${n}`);
    const objects = this.#objects();
    const volume = new ModelVolume({
      name: 'vol',
      blockSize: BLOCK,
      trashDays: this.options.trashDays,
      redis: process === undefined ? redis : crossedRedis(process, redis),
      objects: process === undefined ? objects : crossing(process, 'client', objects),
      now: () => this.#startSeconds + Math.floor((this.#scheduler.nowMs - EPOCH_MS) / 1000),
    });
    return new ModelClient(volume);
  }

  #objects(): ModelObjects {
    const bucket = this.stores.bucket(BUCKET);
    return {
      put: async (name, body) => this.stores.write(BUCKET, name, body),
      get: async (name) => bucket.get(name)?.bytes ?? null,
      delete: async (name) => void bucket.delete(name),
      list: async () => [...bucket].map(([name, { bytes }]) => ({ name, bytes: bytes.length })),
    };
  }

  /** What a process of s3compact stands on. */
  deps(process: Crossing & { readonly clock: SliceDeps['clock'] }): SliceDeps & SliceReapDeps {
    const ledger = new MemoryLedger(this.ledger, process);
    const store = crossing(process, 'objects', this.stores.forFilesystem({ bucket: BUCKET }), {
      names: { getRange: 'get', putIfAbsent: 'put' },
      odd: { getRange: { missing: () => refuse() }, head: { missing: () => null } },
    });
    return {
      ledger,
      clock: process.clock,
      memory: new MemoryBudget(1 << 24),
      attemptIds: new AttemptIds(),
      volume: crossing(process, 'metadata', this.#servers.volume),
      commits: crossing(process, 'metadata', this.#commits()),
      objectsOf: () => store,
      codecOf: async () => undefined,
      filesystemOf: () => ({ bucket: BUCKET }) as Filesystem,
      nowMs: () => ledger.nowMs(),
      graceMs: GRACE_MS,
    };
  }

  /**
   * The clock of Redis is not the world's, so deadlines are judged here, when a call takes effect. Where the reaper deletes
   * what was let go, it waits for its record; what clients delete is dated by their clock.
   */
  #commits(): SliceCommits {
    const { commits } = this.#servers;
    const nowMs = () => this.#scheduler.nowMs;
    const theirs = this.options.trashDays > 0 || this.options.hadTrash;
    const far = (fence: SliceFence) => ({ ...fence, deadlineMs: fence.deadlineMs + FAR_MS });
    const own: Pick<SliceCommits, 'takeIds' | 'begin' | 'commit'> = {
      takeIds: async (count, highest) => {
        const taken = await commits.takeIds(count, highest);
        if (taken.first === null) return taken;
        for (let n = 0; n < count; n++) this.#takenMs.set(taken.first + BigInt(n), nowMs());
        return { ...taken, nowMs: nowMs() };
      },
      begin: async (fence) => (nowMs() > fence.deadlineMs ? 'late' : commits.begin(far(fence))),
      commit: async (request) => {
        if (nowMs() > request.fence.deadlineMs) return { outcome: 'stale', reason: 'fence' };
        const delayMs = theirs ? request.delayMs + nowMs() - EPOCH_MS : 0;
        return commits.commit({ ...request, fence: far(request.fence), delayMs });
      },
    };
    return new Proxy<SliceCommits>(commits, {
      get: (target, name) => {
        const value: unknown = Reflect.get(own, name) ?? Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
}

function refuse(): never {
  throw storeFault('object-missing');
}

/** Transactions are collected and sent at once: what they ask for is one call. */
function crossedRedis(process: Crossing, redis: Redis): Redis {
  return new Proxy(redis, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'multi') {
        const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
        return (...args: unknown[]) => process.cross(`client.${String(name)}`, () => call(...args));
      }
      return () => {
        const queued = target.multi();
        const exec = queued.exec.bind(queued);
        queued.exec = () => process.cross('client.exec', () => exec());
        return queued;
      };
    },
  });
}
