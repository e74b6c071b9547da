/**
 * The quarantine book: inodes on which work has stopped, each with its reason. One hash beside the
 * queue. Being in it deletes nothing and changes nothing; it only keeps workers away until a person releases the inode.
 * Beside it stands, for each inode, how many runs in a row met a missing or short object; that count expires (I8).
 */
import type { Cluster, Redis } from 'ioredis';
import { z } from 'zod';
import { parseInodeKey, printInodeKey } from '../format.ts';
import type { InodeKey } from '../model.ts';
import { inOneStep, safeJson } from './bullmq.ts';
import { type QueueOptions, queueCall } from './compact-queue.ts';

const entrySchema = z.object({ code: z.string(), reason: z.string(), sinceMs: z.number() });

export type QuarantineEntry = z.infer<typeof entrySchema>;

export interface QuarantinedInode extends QuarantineEntry {
  readonly key: InodeKey;
}

/** A count that nobody adds to goes by itself: longer than all tries of a job take, and than most pauses between scans. */
const MISSING_LIFE_MS = 7 * 24 * 3600 * 1000;
/** Fields per HSCAN call. */
const SCAN_COUNT = 1_000;

/** Errors are CompactError `queue-unavailable` (retry). */
export class Quarantine {
  readonly #redis: Redis | Cluster;
  readonly #hash: string;
  readonly #missing: string;

  /** `storeId` keeps the inodes of different metadata stores apart. */
  constructor(options: QueueOptions, storeId: string) {
    this.#redis = options.connection;
    this.#hash = `${options.prefix}:quarantine:${storeId}`;
    this.#missing = `${options.prefix}:missing:${storeId}`;
  }

  async get(key: InodeKey): Promise<QuarantineEntry | null> {
    const text = await queueCall('read the quarantine', () => this.#redis.hget(this.#hash, printInodeKey(key)));
    return text === null ? null : parseEntry(text);
  }

  /** Those of the inodes that are in it, as `fsId/inodeId`; one round trip. */
  async among(keys: readonly InodeKey[]): Promise<ReadonlySet<string>> {
    if (keys.length === 0) return new Set();
    const names = keys.map(printInodeKey);
    const entries = await queueCall('read the quarantine', () => this.#redis.hmget(this.#hash, ...names));
    return new Set(names.filter((_, n) => entries[n] !== null));
  }

  /** How many inodes are in it. */
  async count(): Promise<number> {
    return queueCall('read the quarantine', () => this.#redis.hlen(this.#hash));
  }

  /** All of them, in no order; one that comes or goes meanwhile may be missed. Memory does not grow with their number. */
  async *all(): AsyncGenerator<QuarantinedInode> {
    let cursor = '0';
    do {
      const page = () => this.#redis.hscan(this.#hash, cursor, 'COUNT', SCAN_COUNT);
      const [next, flat] = await queueCall('read the quarantine', page);
      for (let n = 0; n + 1 < flat.length; n += 2) {
        const key = parseInodeKey(flat[n] ?? '');
        if (key !== null) yield { key, ...parseEntry(flat[n + 1] ?? '') };
      }
      cursor = next;
    } while (cursor !== '0');
  }

  /** Keeps the first reason: it is nearest to the cause. */
  async put(key: InodeKey, entry: QuarantineEntry): Promise<void> {
    await queueCall('write the quarantine', () =>
      this.#redis.hsetnx(this.#hash, printInodeKey(key), JSON.stringify(entry)),
    );
  }

  /** Counts a run of the inode that met a missing or short object; returns how many did in a row. */
  async countMissing(key: InodeKey): Promise<number> {
    return queueCall('count the runs with a missing object', async () => {
      const name = this.#missingOf(key);
      const [count] = await inOneStep(this.#redis.multi().incr(name).pexpire(name, MISSING_LIFE_MS));
      return Number(count);
    });
  }

  /** A run of the inode met none: the next one that does is the first in a row. */
  async forgetMissing(key: InodeKey): Promise<void> {
    await queueCall('forget the runs with a missing object', () => this.#redis.del(this.#missingOf(key)));
  }

  /** `false` when the inode was not in quarantine. What was counted goes too: a released inode starts anew. */
  async release(key: InodeKey): Promise<boolean> {
    await this.forgetMissing(key);
    return queueCall('write the quarantine', async () => {
      return (await this.#redis.hdel(this.#hash, printInodeKey(key))) > 0;
    });
  }

  #missingOf(key: InodeKey): string {
    return `${this.#missing}:${printInodeKey(key)}`;
  }
}

/** Unreadable is still quarantined: doubt stops work, it does not start it. */
function parseEntry(text: string): QuarantineEntry {
  const parsed = entrySchema.safeParse(safeJson(text));
  return parsed.success ? parsed.data : { code: 'unreadable', reason: text.slice(0, 200), sinceMs: 0 };
}
