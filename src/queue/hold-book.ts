/**
 * What people see of holds, beside the queue: on which file systems one was seen, and how much each keeps from being
 * deleted. Whether a hold stands is never decided by this (docs/adr/0022): losing it costs numbers, and
 * `run` its patience, until the next look at a record that is held.
 */

import type { Cluster, Redis } from 'ioredis';
import { decimalNumber } from '../format.ts';
import { inOneStep, type QueueOptions, queueCall } from './bullmq.ts';

/** What nobody has added to for so long is forgotten. */
const KEEP_MS = 90 * 24 * 3_600_000;
/** Records that are asked for at a time. */
const READ_BATCH = 1_000;
/** File systems that are reported, at most. */
const FILESYSTEMS_MAX = 1_000;

/** KEYS: what is held on a file system. ARGV: field of a record, its objects, its bytes, for how long the count is kept. */
const COUNT = `
if redis.call('HSETNX', KEYS[1], ARGV[1], '') == 0 then return end
redis.call('HINCRBY', KEYS[1], 'objects', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'bytes', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
`;

interface HeldCount {
  readonly objects: number;
  readonly bytes: number;
}

/** Errors are CompactError `queue-unavailable` (retry). */
export class HoldBook {
  readonly #redis: Redis | Cluster;
  readonly #prefix: string;

  constructor({ connection, prefix }: QueueOptions, storeId: string) {
    this.#redis = connection;
    this.#prefix = `${prefix}:holds:${storeId}`;
  }

  /** A hold was seen on this file system. */
  async note(fsId: number): Promise<void> {
    const step = this.#redis.multi().hset(this.#prefix, `${fsId}`, '').pexpire(this.#prefix, KEEP_MS);
    await queueCall('note a hold', () => inOneStep(step));
  }

  /** A reap record that a hold keeps: counted once, however often it is looked at. */
  async count(fsId: number, recordId: string, { objects, bytes }: HeldCount): Promise<void> {
    await this.note(fsId);
    const args = [`record:${recordId}`, objects, bytes, KEEP_MS];
    await queueCall('count what a hold keeps', () => this.#redis.eval(COUNT, 1, this.#held(fsId), ...args));
  }

  /** How many of these reap records a look has found held. */
  async heldOf(fsId: number, recordIds: readonly string[]): Promise<number> {
    return queueCall('ask which reap records a hold keeps', async () => {
      let held = 0;
      for (let from = 0; from < recordIds.length; from += READ_BATCH) {
        const fields = recordIds.slice(from, from + READ_BATCH).map((id) => `record:${id}`);
        held += (await this.#redis.hmget(this.#held(fsId), ...fields)).filter((note) => note !== null).length;
      }
      return held;
    });
  }

  /** No hold stands there any more. */
  async forget(fsId: number): Promise<void> {
    await queueCall('forget a hold', async () => {
      await this.#redis.hdel(this.#prefix, `${fsId}`);
      await this.#redis.unlink(this.#held(fsId));
    });
  }

  async filesystems(): Promise<readonly number[]> {
    const ids = await queueCall('list the file systems with holds', () => this.#redis.hkeys(this.#prefix));
    return ids.flatMap((id) => decimalNumber(id) ?? []).slice(0, FILESYSTEMS_MAX);
  }

  async held(fsId: number): Promise<HeldCount> {
    const [objects, bytes] = await queueCall('ask what a hold keeps', () =>
      this.#redis.hmget(this.#held(fsId), 'objects', 'bytes'),
    );
    return { objects: Number(objects ?? 0), bytes: Number(bytes ?? 0) };
  }

  #held(fsId: number): string {
    return `${this.#prefix}:${fsId}`;
  }
}
