/**
 * What scans leave in the queue's Redis, per file system: where the walk stands, for the one that goes on, and what the
 * last one found, for `status` and for metrics. Losing it costs a walk from the start, nothing else. It must not scan.
 */

import type { Cluster, Redis } from 'ioredis';
import { z } from 'zod';
import { decimalNumber, safeJson } from '../format.ts';
import type { Filesystem } from '../model.ts';
import type { ScanBook, ScanPosition, ScanResult } from '../scan-port.ts';
import { ledgerMs } from '../time.ts';
import { type QueueOptions, queueCall } from './bullmq.ts';

const count = z.number().nonnegative();
/** Scans of older releases did not count it. */
const newCount = count.default(0);

const backlogSchema = z.object({
  inodes: count,
  unreadable: count,
  quarantined: count,
  inodesWorthIt: count,
  chunksWorthIt: count,
  getsSaved: count,
  objectsSaved: count,
  bytesReclaimed: count,
  bytesToMove: count,
  requestsToMake: count,
  storedBytes: newCount,
  visibleBytes: newCount,
});

const time = z.number().transform(ledgerMs);
const positionSchema = z.object({
  cursor: z.string().max(1_000),
  backlog: backlogSchema,
  startedMs: time,
  savedMs: time,
  by: z.string(),
});

const resultSchema = z.object({ backlog: backlogSchema, startedMs: z.number(), endedMs: z.number(), by: z.string() });
const ownerSchema = z.object({ fsUuid: z.string() });

/** To be shown: its times are plain numbers. */
export type LastScan = z.infer<typeof resultSchema> & { readonly fsId: number };

/** A position that nobody went on from for so long is forgotten. */
const POSITION_LIFE_MS = 30 * 24 * 3_600_000;
/** Results are kept of this many file systems (I8); the newest win. */
const RESULTS_MAX = 10_000;

/** Errors are CompactError `queue-unavailable` (retry). */
export class QueueScanBook implements ScanBook {
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

  /** What scans of this very file system have left; what another one under its number has left stays. */
  async forget({ fsId, uuid }: Pick<Filesystem, 'fsId' | 'uuid'>): Promise<void> {
    await this.setPosition(uuid, null);
    await queueCall('forget the result of a scan', async () => {
      const text = await this.#redis.hget(this.#resultsKey, `${fsId}`);
      const owner = ownerSchema.safeParse(safeJson(text ?? '')).data;
      if (owner?.fsUuid === uuid) await this.#redis.hdel(this.#resultsKey, `${fsId}`);
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
