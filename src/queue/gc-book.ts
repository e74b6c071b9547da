/**
 * What gc remembers between two passes, beside the queue: names that nothing named at a first look, and how far an
 * interrupted pass came. Losing it costs time: a first look is made again. It must not judge anything.
 */

import type { Cluster, Redis } from 'ioredis';
import { z } from 'zod';
import { safeJson } from '../format.ts';
import { type GcBook, type GcPosition, SUSPECTS_MAX, type Suspect } from '../ledger.ts';
import { ledgerMs } from '../time.ts';
import { inOneStep, type QueueOptions, queueCall } from './bullmq.ts';

/** What nobody has looked at for so long is forgotten. */
const KEEP_MS = 90 * 24 * 3_600_000;
const BATCH = 1_000;

const count = z.number().int().nonnegative();
const time = z.number().transform(ledgerMs);
const suspectSchema = z.object({ sinceMs: time, incarnation: z.string(), firstMs: time.optional() });
const positionSchema = z.object({ after: z.string(), objects: count, leaked: count, failures: count });

/** The book of one file system. Errors are CompactError `queue-unavailable` (retry). */
export class QueueGcBook implements GcBook {
  readonly #redis: Redis | Cluster;
  readonly #suspects: string;
  readonly #position: string;

  /** By uuid: another file system under the same number starts anew. */
  constructor(options: QueueOptions, of: { readonly storeId: string; readonly fsUuid: string }) {
    this.#redis = options.connection;
    const prefix = `${options.prefix}:gc:${of.storeId}:${of.fsUuid}`;
    this.#suspects = `${prefix}:suspects`;
    this.#position = `${prefix}:position`;
  }

  async position(): Promise<GcPosition | null> {
    const text = await queueCall('read the position of gc', () => this.#redis.get(this.#position));
    return text === null ? null : (positionSchema.safeParse(safeJson(text)).data ?? null);
  }

  async setPosition(position: GcPosition | null): Promise<void> {
    await queueCall('keep the position of gc', async () => {
      if (position === null) await this.#redis.del(this.#position);
      else await this.#redis.set(this.#position, JSON.stringify(position), 'PX', KEEP_MS);
    });
  }

  /** A note that cannot be read is none: its name is noted anew. */
  async suspects(): Promise<ReadonlyMap<string, Suspect>> {
    const found = new Map<string, Suspect>();
    let cursor = '0';
    do {
      const page = () => this.#redis.hscan(this.#suspects, cursor, 'COUNT', BATCH);
      const [next, flat] = await queueCall('read the notes of gc', page);
      for (let n = 0; n + 1 < flat.length && found.size < SUSPECTS_MAX; n += 2) {
        const { data } = suspectSchema.safeParse(safeJson(flat[n + 1] ?? ''));
        if (data !== undefined) found.set(flat[n] ?? '', data);
      }
      cursor = next;
    } while (cursor !== '0');
    return found;
  }

  async note(suspects: ReadonlyMap<string, Suspect>): Promise<void> {
    const notes = [...suspects].map(([name, suspect]) => [name, JSON.stringify(suspect)] as const);
    await queueCall('keep the notes of gc', async () => {
      for (let from = 0; from < notes.length; from += BATCH) {
        const batch = new Map(notes.slice(from, from + BATCH));
        // In one step, or notes of a pass that dies here would be kept for ever.
        await inOneStep(this.#redis.multi().hset(this.#suspects, batch).pexpire(this.#suspects, KEEP_MS));
      }
    });
  }

  async forget(names: readonly string[]): Promise<void> {
    await queueCall('forget notes of gc', async () => {
      for (let from = 0; from < names.length; from += BATCH) {
        await this.#redis.hdel(this.#suspects, ...names.slice(from, from + BATCH));
      }
    });
  }
}
