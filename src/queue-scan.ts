/**
 * What scans leave in the queue's Redis, per file system: where the walk stands, for the one that goes on, and what the
 * last one found, for `status` and for metrics. Losing it costs a walk from the start, nothing else. It must not scan.
 */
import type { Cluster, Redis } from 'ioredis';
import { z } from 'zod';
import { decimalNumber } from './format.ts';
import { type QueueOptions, queueCall } from './queue.ts';

const count = z.number().nonnegative();

/** Sums over inodes and chunks that are worth a run; what the planner says of them without a budget. */
const backlogSchema = z.object({
  /** Inodes looked at, and those of them that could not be read. */
  inodes: count,
  unreadable: count,
  quarantined: count,
  /** Inodes and chunks that are worth a run. */
  inodesWorthIt: count,
  chunksWorthIt: count,
  /** GETs of full reads of those chunks that would go. */
  getsSaved: count,
  /** Objects and stored bytes that would go. */
  objectsSaved: count,
  bytesReclaimed: count,
  /** What it would take: payload read plus written, requests. */
  bytesToMove: count,
  requestsToMake: count,
});
export type Backlog = z.infer<typeof backlogSchema>;

export const NO_BACKLOG: Backlog = {
  ...{ inodes: 0, unreadable: 0, quarantined: 0, inodesWorthIt: 0, chunksWorthIt: 0 },
  ...{ getsSaved: 0, objectsSaved: 0, bytesReclaimed: 0, bytesToMove: 0, requestsToMake: 0 },
};

const positionSchema = z.object({
  cursor: z.string().max(1_000),
  backlog: backlogSchema,
  startedMs: z.number(),
  savedMs: z.number(),
  by: z.string(),
});
/** Where a walk stands: everything before `cursor` has been looked at and, where it is worth it, queued. */
export type ScanPosition = z.infer<typeof positionSchema>;

const resultSchema = z.object({ backlog: backlogSchema, startedMs: z.number(), endedMs: z.number(), by: z.string() });
/** What a whole walk found; times by the queue's clock. */
export type ScanResult = z.infer<typeof resultSchema>;

export interface LastScan extends ScanResult {
  readonly fsId: number;
}

/** A position that nobody went on from for so long is forgotten. */
const POSITION_LIFE_MS = 30 * 24 * 3_600_000;
/** Results are kept of this many file systems (I8); the newest win. */
const RESULTS_MAX = 10_000;

/** Errors are CompactError `queue-unavailable` (retry). */
export class ScanBook {
  readonly #redis: Redis | Cluster;
  readonly #prefix: string;

  /** `storeId` keeps the file systems of different metadata stores apart. */
  constructor(options: QueueOptions, storeId: string) {
    this.#redis = options.connection;
    this.#prefix = `${options.prefix}:scans:${storeId}`;
  }

  /** `null` where no walk stopped, or its note cannot be read; by uuid, since an id may be used again. */
  async position(fsUuid: string): Promise<ScanPosition | null> {
    const text = await queueCall('read where the scan stopped', () => this.#redis.get(this.#positionKey(fsUuid)));
    return text === null ? null : (positionSchema.safeParse(safeJson(text)).data ?? null);
  }

  async setPosition(fsUuid: string, position: ScanPosition | null): Promise<void> {
    const key = this.#positionKey(fsUuid);
    await queueCall('keep where the scan stands', async () => {
      if (position === null) await this.#redis.del(key);
      else await this.#redis.set(key, JSON.stringify(position), 'PX', POSITION_LIFE_MS);
    });
  }

  async setResult(fsId: number, result: ScanResult): Promise<void> {
    await queueCall('keep the result of the scan', async () => {
      const full = (await this.#redis.hlen(this.#resultsKey)) >= RESULTS_MAX;
      if (full) await this.#redis.del(this.#resultsKey);
      await this.#redis.hset(this.#resultsKey, `${fsId}`, JSON.stringify(result));
    });
  }

  /** The last whole scan of each file system, by id. */
  async results(): Promise<readonly LastScan[]> {
    const found = await queueCall('read the last scans', () => this.#redis.hgetall(this.#resultsKey));
    const scans = Object.entries(found).flatMap(([id, text]) => {
      const fsId = decimalNumber(id);
      const { data } = resultSchema.safeParse(safeJson(text));
      return fsId === null || data === undefined ? [] : [{ fsId, ...data }];
    });
    return scans.toSorted((a, b) => a.fsId - b.fsId);
  }

  #positionKey(fsUuid: string): string {
    return `${this.#prefix}:${fsUuid}:position`;
  }

  get #resultsKey(): string {
    return `${this.#prefix}:results`;
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
