/**
 * The quarantine book: inodes on which work has stopped, each with its reason. One hash beside the
 * queue. Being in it deletes nothing and changes nothing; it only keeps workers away until a person releases the inode, or
 * until an object that was missing is looked for again. Beside it stands, for each inode, how many runs in a row met a
 * missing or short object, and since when; that count expires (I8).
 */

import type { Cluster, Redis } from 'ioredis';
import { z } from 'zod';
import { parseInodeKey, printInodeKey, safeJson } from '../format.ts';
import type { InodeKey } from '../model.ts';
import { type LedgerMs, ledgerMs, wallMs } from '../time.ts';
import { inOneStep, type QueueOptions, queueCall } from './bullmq.ts';

const entrySchema = z.object({
  code: z.string(),
  reason: z.string(),
  /** By the ledger's clock, as `lookAtMs`. */
  sinceMs: z.number(),
  /** When the next run may look whether its objects have come; absent: only a person releases it. */
  lookAtMs: z.number().optional(),
});

export type QuarantineEntry = z.infer<typeof entrySchema>;

export interface QuarantinedInode extends QuarantineEntry {
  readonly key: InodeKey;
}

export interface QuarantinePart {
  readonly inodes: readonly QuarantinedInode[];
  /** Behind it; `null`: that was the rest. */
  readonly next: string | null;
}

/** Runs of an inode that met a missing or short object. */
interface MissingRuns {
  readonly count: number;
  /** When the first of them did. */
  readonly sinceMs: LedgerMs;
}

const HOUR_MS = 3_600_000;
/** The first look at an inode that was stopped for a missing object; each further one waits as long again as the inode has been there. */
const LOOK_AFTER_MS = HOUR_MS;
const LOOK_AFTER_MAX_MS = 24 * HOUR_MS;
/** A count that nobody adds to goes by itself: longer than all tries of a job take, and than most pauses between scans. */
const MISSING_LIFE_MS = 7 * 24 * HOUR_MS;
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

  /** Its entry, and whether there is anything that `release` would take away. One round trip. */
  async noted(key: InodeKey): Promise<{ readonly entry: QuarantineEntry | null; readonly hasNotes: boolean }> {
    const [text, counted] = await queueCall('read the quarantine', () =>
      inOneStep(this.#redis.pipeline().hget(this.#hash, printInodeKey(key)).exists(this.#missingOf(key))),
    );
    const entry = typeof text === 'string' ? parseEntry(text) : null;
    return { entry, hasNotes: entry !== null || counted === 1 };
  }

  /** Those of the inodes that are in it and stay there, as `fsId/inodeId`; those whose look is due by `nowMs` are left out. */
  async among(keys: readonly InodeKey[], nowMs = ledgerMs(Number.NEGATIVE_INFINITY)): Promise<ReadonlySet<string>> {
    if (keys.length === 0) return new Set();
    const names = keys.map(printInodeKey);
    const entries = await queueCall('read the quarantine', () => this.#redis.hmget(this.#hash, ...names));
    const stays = (text: string | null | undefined) => typeof text === 'string' && !isDue(parseEntry(text), nowMs);
    return new Set(names.filter((_, n) => stays(entries[n])));
  }

  /** How many inodes are in it. */
  async count(): Promise<number> {
    return queueCall('read the quarantine', () => this.#redis.hlen(this.#hash));
  }

  /** All of them, in no order; one that comes or goes meanwhile may be missed. Memory does not grow with their number. */
  async *all(): AsyncGenerator<QuarantinedInode> {
    let cursor: string | null = '0';
    do {
      const part: QuarantinePart = await this.part(cursor, SCAN_COUNT);
      yield* part.inodes;
      cursor = part.next;
    } while (cursor !== null);
  }

  /** Some of them, about as many as asked for, behind a cursor that an earlier part gave ('0': from the start); one call. */
  async part(cursor: string, about: number): Promise<QuarantinePart> {
    const read = () => this.#redis.hscan(this.#hash, cursor, 'COUNT', about);
    const [next, flat] = await queueCall('read the quarantine', read);
    const inodes: QuarantinedInode[] = [];
    for (let n = 0; n + 1 < flat.length; n += 2) {
      const key = parseInodeKey(flat[n] ?? '');
      if (key !== null) inodes.push({ key, ...parseEntry(flat[n + 1] ?? '') });
    }
    return { inodes, next: next === '0' ? null : next };
  }

  /** Keeps the first reason: it is nearest to the cause. */
  async put(key: InodeKey, entry: QuarantineEntry): Promise<void> {
    await queueCall('write the quarantine', () =>
      this.#redis.hsetnx(this.#hash, printInodeKey(key), JSON.stringify(entry)),
    );
  }

  /** Its object is still missing: the next look comes later than the one before. */
  async putOff(key: InodeKey, entry: QuarantineEntry, nowMs: LedgerMs): Promise<void> {
    const text = JSON.stringify({ ...entry, lookAtMs: nextLookMs(entry.sinceMs, wallMs(nowMs)) });
    await queueCall('write the quarantine', () => this.#redis.hset(this.#hash, printInodeKey(key), text));
  }

  /** Counts a run of the inode that met a missing or short object; returns those in a row. */
  async countMissing(key: InodeKey, nowMs: LedgerMs): Promise<MissingRuns> {
    return queueCall('count the runs with a missing object', async () => {
      const name = this.#missingOf(key);
      const step = this.#redis
        .multi()
        .hincrby(name, 'runs', 1)
        .hsetnx(name, 'since', wallMs(nowMs))
        .hget(name, 'since');
      const [count, , sinceMs] = await inOneStep(step.pexpire(name, MISSING_LIFE_MS));
      return { count: Number(count), sinceMs: ledgerMs(Number(sinceMs)) };
    });
  }

  /** `false` when the inode was not in quarantine. What was counted goes too: a released inode starts anew. */
  async release(key: InodeKey): Promise<boolean> {
    return queueCall('write the quarantine', async () => {
      const step = this.#redis.multi().del(this.#missingOf(key)).hdel(this.#hash, printInodeKey(key));
      const [, released] = await inOneStep(step);
      return Number(released) > 0;
    });
  }

  #missingOf(key: InodeKey): string {
    return `${this.#missing}:${printInodeKey(key)}`;
  }
}

/** Whether a run may look if the objects have come. */
export function isDue({ lookAtMs }: QuarantineEntry, nowMs: LedgerMs): boolean {
  return lookAtMs !== undefined && lookAtMs <= wallMs(nowMs);
}

/** As long again as the inode has been in quarantine, within an hour and a day. */
export function nextLookMs(sinceMs: number, nowMs: number): number {
  return nowMs + Math.min(LOOK_AFTER_MAX_MS, Math.max(LOOK_AFTER_MS, nowMs - sinceMs));
}

/** Unreadable is still quarantined: doubt stops work, it does not start it. */
function parseEntry(text: string): QuarantineEntry {
  const parsed = entrySchema.safeParse(safeJson(text));
  return parsed.success ? parsed.data : { code: 'unreadable', reason: text.slice(0, 200), sinceMs: 0 };
}
