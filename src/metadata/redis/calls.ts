/**
 * How every call to the metadata Redis is made: it waits for a connection, ends within its time-out, and fails as a
 * CompactError. It must know no key and send nothing twice.
 */
import { Cluster, type Redis } from 'ioredis';
import { within } from '../../clock.ts';
import type { InodeKey } from '../../model.ts';
import { type RedisClient, safeError, whenReady } from '../../redis/link.ts';
import { PrimaryCheck, primariesOf, type ReplicasWanted } from '../../redis/primary.ts';
import type { CommitOutcome } from '../port.ts';
import { callFailed, definiteNo, notSent } from './errors.ts';

type Unknown = Extract<CommitOutcome, { readonly outcome: 'unknown' }>;

export class RedisCalls {
  readonly redis: RedisClient;
  readonly #timeoutMs: number;

  constructor(redis: RedisClient, timeoutMs: number) {
    this.redis = redis;
    this.#timeoutMs = timeoutMs;
  }

  /** A call that may simply be made again; `place` is what messages name. Throws CompactError. */
  async ask<T>(place: string, send: () => Promise<T>): Promise<T> {
    const endMs = performance.now() + this.#timeoutMs;
    await this.ready();
    try {
      return await this.#inTime(send(), endMs);
    } catch (error) {
      throw callFailed(error, place);
    }
  }

  /**
   * I6: a write that is sent once. Throws where it certainly did not happen; from when it may be on its way, what is not a
   * definite answer is `unknown`. `inode`: what it is about, for messages.
   */
  async once<T>(place: string, send: () => Promise<T>, inode?: InodeKey): Promise<T | Unknown> {
    const endMs = performance.now() + this.#timeoutMs;
    await this.ready();
    try {
      return await this.#inTime(send(), endMs);
    } catch (error) {
      const definite = definiteNo(error, place);
      if (definite !== null) throw inode === undefined ? definite : definite.withInode(inode);
      return { outcome: 'unknown', cause: safeError(error) };
    }
  }

  /** A hash; empty where there is none. */
  async fields(redisKey: string): Promise<ReadonlyMap<string, string>> {
    return new Map(Object.entries(await this.ask(redisKey, () => this.redis.hgetall(redisKey))));
  }

  async ready(): Promise<void> {
    const fault = await whenReady(this.redis, this.#timeoutMs);
    if (fault !== null) throw notSent(fault);
  }

  /** The client has a time-out of its own, but not in every state that a cluster can be in. */
  #inTime<T>(call: Promise<T>, endMs: number): Promise<T> {
    return within(call, Math.max(0, endMs - performance.now()), () => {
      throw new Error(`no answer within ${this.#timeoutMs} ms`);
    });
  }

  /** Every primary, in one order for the same nodes. */
  primaries(): readonly Redis[] {
    const place = ({ options }: Redis) => `${options.host}:${options.port}`;
    return primariesOf(this.redis).toSorted((a, b) => (place(a) < place(b) ? -1 : 1));
  }

  get isCluster(): boolean {
    return this.redis instanceof Cluster;
  }

  /** Whether it is still the primary, asked by a client of its own. */
  primaryCheck(replicas: ReplicasWanted = 'auto'): PrimaryCheck {
    const { redis } = this;
    return new PrimaryCheck({
      name: 'metadata',
      setting: 'METADATA_REPLICAS',
      code: 'metadata-unavailable',
      replicas,
      timeoutMs: this.#timeoutMs,
      connect: () => (redis instanceof Cluster ? redis.duplicate() : redis.duplicate()),
    });
  }
}
