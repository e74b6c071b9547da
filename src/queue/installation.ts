/**
 * What makes the workers of one queue one installation: a random text beside the queue, the texts that it had before it was
 * lost, which life of each metadata server was seen last, and which volume of slices it serves. Apart from the metadata on purpose: whoever copies
 * the metadata does not copy this (docs/adr/0019). It must not judge anything.
 */

import { randomUUID } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import { type QueueOptions, queueCall } from './bullmq.ts';

const ID = 'id';
const VOLUME = 'volume';
/** Fields of ids that were proven to be this installation's, too. */
const PROVEN = 'proven:';
/** One for each time that the queue was lost; more is no installation any more (I8). */
const PROVEN_MAX = 1_000;

/** Errors are CompactError `queue-unavailable` (retry). */
export class QueueInstallation {
  readonly #redis: Redis | Cluster;
  readonly #hash: string;
  #id: string | undefined;
  /** A queue that came back empty is given them again. */
  readonly #proven = new Set<string>();

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

  async proven(): Promise<ReadonlySet<string>> {
    const fields = await queueCall('read what the installation was before', () => this.#redis.hkeys(this.#hash));
    const kept = new Set(fields.flatMap((field) => (field.startsWith(PROVEN) ? [field.slice(PROVEN.length)] : [])));
    for (const id of this.#proven) if (!kept.has(id)) await this.#keep(id);
    for (const id of kept) if (this.#proven.size < PROVEN_MAX) this.#proven.add(id);
    return this.#proven;
  }

  async addProven(id: string): Promise<void> {
    if (this.#proven.has(id) || this.#proven.size >= PROVEN_MAX) return;
    await this.#keep(id);
    this.#proven.add(id);
  }

  async #keep(id: string): Promise<void> {
    await queueCall('keep what the installation was before', () => this.#redis.hset(this.#hash, `${PROVEN}${id}`, ''));
  }

  /** The one volume that this queue serves: `own` where it has served none. */
  async volume(own: string): Promise<string> {
    await queueCall('note the volume of the queue', () => this.#redis.hsetnx(this.#hash, VOLUME, own));
    return (await queueCall('read the volume of the queue', () => this.#redis.hget(this.#hash, VOLUME))) ?? own;
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
