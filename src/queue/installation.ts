/**
 * What makes the workers of one queue one installation: a random text beside the queue, and which life of each metadata
 * server was seen last. Apart from the metadata on purpose: whoever copies the metadata does not copy this
 * (docs/adr/0019). It must not judge anything.
 */
import { randomUUID } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { type QueueOptions, queueCall } from './compact-queue.ts';

const ID = 'id';

/** Errors are CompactError `queue-unavailable` (retry). */
export class QueueInstallation {
  readonly #redis: Redis | Cluster;
  readonly #hash: string;
  #id: string | undefined;

  constructor({ connection, prefix }: QueueOptions) {
    this.#redis = connection;
    this.#hash = `${prefix}:installation`;
  }

  /** `null`: there is none, and this process remembers none either. */
  async id(): Promise<string | null> {
    const kept = await queueCall('read the id of the installation', () => this.#redis.hget(this.#hash, ID));
    this.#id = kept ?? this.#id;
    return this.#id ?? null;
  }

  /** A queue that came back empty is given the id again by whoever remembers it. */
  async makeId(): Promise<string> {
    const id = this.#id ?? randomUUID();
    await queueCall('make the id of the installation', () => this.#redis.hsetnx(this.#hash, ID, id));
    return (await this.id()) ?? id;
  }

  async setId(id: string): Promise<void> {
    this.#id = id;
    await queueCall('keep the id of the installation', () => this.#redis.hset(this.#hash, ID, id));
  }

  server(storeId: string): Promise<string | null> {
    return queueCall('read the metadata server seen last', () => this.#redis.hget(this.#hash, `server:${storeId}`));
  }

  async setServer(storeId: string, server: string): Promise<void> {
    await queueCall('keep the metadata server seen last', () =>
      this.#redis.hset(this.#hash, `server:${storeId}`, server),
    );
  }
}
