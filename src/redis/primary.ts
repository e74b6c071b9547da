/**
 * Whether a Redis server is still the primary: asked before what cannot be undone, since a server that was cut off goes
 * on answering while a replica of it has long been promoted. It writes a key that expires at once and waits until the
 * replicas have it, on connections of its own, since WAIT blocks one: a replica that was promoted follows nobody and confirms
 * nothing. With Sentinel most of the sentinels must name this very process, too. It must not decide what doubt means.
 */
import { type ChainableCommander, Cluster, Redis } from 'ioredis';
import { CompactError } from '../errors.ts';
import { endLink, isReply, type RedisClient, replyCode, safeError, watchLink, whenReady } from './link.ts';
import { Sentinels } from './sentinels.ts';

/** How many replicas must confirm; `auto`: all that the server was ever seen to have, and one if it says it had any. */
export type ReplicasWanted = number | 'auto';

interface PrimaryOptions {
  /** Makes a client of the profile `metadata`, which sends nothing twice, when it is first needed. */
  readonly connect: () => RedisClient;
  /** In messages: `the … Redis`. */
  readonly name: string;
  /** Of the setting that says how many replicas there are, for messages. */
  readonly setting: string;
  readonly replicas?: ReplicasWanted;
  readonly code: 'metadata-unavailable' | 'queue-unavailable';
  readonly timeoutMs: number;
}

/** Replicas confirm within a round trip; one that takes so long is as good as gone. */
const CONFIRM_MS = 500;
/** The key is needed until replicas have it, and is gone by itself. */
const KEY_LIFE_MS = 1_000;
/** Servers that are remembered; a fail-over makes another one. */
const SERVERS_MAX = 1_000;

/** What INFO says of replication. */
export interface Replication {
  readonly runId: string;
  readonly replId: string;
  readonly role: string;
  /** Replicas that have all its data and follow it. */
  readonly online: number;
  /** It had a replica within the last hour (repl-backlog-ttl), or was one. */
  readonly hadReplicas: boolean;
  /** min-replicas-to-write and min-replicas-max-lag are set. */
  readonly demandsReplicas: boolean;
}

export function replicationOf(info: string): Replication {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const copying = [...info.matchAll(/^slave\d+:.*state=(\w+)/gm)].filter(([, state]) => state !== 'online').length;
  return {
    runId: field('run_id'),
    replId: field('master_replid'),
    role: field('role'),
    online: Math.max(0, Number(field('connected_slaves')) - copying),
    hadReplicas: field('repl_backlog_active') === '1',
    demandsReplicas: field('min_slaves_good_slaves') !== '',
  };
}

/** `run_id:master_replid`; empty where one of them is blank, as a filter of INFO makes it: nothing is known then. */
export function serverOf(runId: string, replId: string): string {
  return [runId, replId].every((id) => /[1-9a-f]/.test(id)) ? `${runId}:${replId}` : '';
}

export class PrimaryCheck {
  readonly #options: PrimaryOptions;
  #redis: RedisClient | undefined;
  #sentinels: Sentinels | undefined;
  /** Most replicas that each server was seen to have, by run_id; oldest first. */
  readonly #seen = new Map<string, number>();
  /** How many confirmed last time. */
  #wait = 0;

  constructor(options: PrimaryOptions) {
    this.#options = options;
  }

  /**
   * The server that keeps this key, as `serverOf` has it, once it is confirmed to be the primary. Throws CompactError
   * (retry) when it is not, or does not answer.
   */
  async confirm(redisKey: string): Promise<string> {
    const redis = await this.#connected();
    // Nodes of a cluster may have different numbers of replicas.
    const wait = redis instanceof Cluster ? 0 : this.#wait;
    const first = await this.#write(redis, redisKey, wait);
    const needed = this.#needed(first.replication);
    const { replication, confirmed } =
      needed > wait && first.replication.online >= needed ? await this.#write(redis, redisKey, needed) : first;
    const { role, online, runId, replId } = replication;
    if (role !== 'master') throw this.#doubt('it is a replica');
    const server = serverOf(runId, replId);
    if (server === '') throw this.#doubt('it tells no run_id and master_replid in INFO; let INFO through');
    if (Math.min(online, confirmed) < needed) {
      // The next one asks before it waits: a replica that is gone must not cost everybody the whole time.
      this.#wait = 0;
      throw this.#doubt(this.#lacking(needed, online, confirmed));
    }
    this.#wait = needed;
    if (redis instanceof Redis && redis.options.sentinels) {
      this.#sentinels ??= new Sentinels(redis.options, this.#options.timeoutMs);
      const objection = await this.#sentinels.objection(runId);
      if (objection !== null) throw this.#doubt(objection);
    }
    return server;
  }

  /**
   * Throws what the server has against the commands of `confirm`; changes nothing, but for the life of a key that another
   * process has just written. WAIT is tried where it would be needed: some services do not have it.
   */
  async tryRights(redisKey: string): Promise<void> {
    const redis = await this.#connected();
    const batch = redis.pipeline().set(redisKey, '1', 'PX', KEY_LIFE_MS, 'XX').info('server').info('replication');
    const [, server, replication] = await this.#sent(batch);
    if (this.#needed(replicationOf(`${server}\n${replication}`)) === 0) return;
    await this.#sent(redis.pipeline().exists(redisKey).wait(0, 1));
  }

  close(): void {
    if (this.#redis !== undefined) endLink(this.#redis);
    this.#sentinels?.close();
  }

  async #connected(): Promise<RedisClient> {
    const { connect, timeoutMs } = this.#options;
    const redis = this.#redis ?? connect();
    if (this.#redis === undefined) watchLink(redis);
    this.#redis = redis;
    const fault = await whenReady(redis, timeoutMs);
    if (fault !== null) throw this.#doubt(`it ${fault.message}`);
    return redis;
  }

  /** One connection from the write to the wait: a new one would wait for nothing. */
  async #write(redis: RedisClient, redisKey: string, wait: number) {
    const batch = redis.pipeline().set(redisKey, '1', 'PX', KEY_LIFE_MS).info('server').info('replication');
    if (wait > 0) batch.wait(wait, Math.min(CONFIRM_MS, this.#options.timeoutMs));
    const [, server, replication, confirmed] = await this.#sent(batch);
    return {
      replication: replicationOf(`${server}\n${replication}`),
      confirmed: wait === 0 ? 0 : Number(confirmed),
    };
  }

  async #sent(batch: ChainableCommander): Promise<readonly unknown[]> {
    let answers: Awaited<ReturnType<typeof batch.exec>>;
    try {
      answers = await batch.exec();
    } catch (error) {
      throw this.#doubt(`it did not answer (${safeError(error).message})`);
    }
    for (const [error] of answers ?? []) {
      if (error === null) continue;
      throw this.#doubt(`it ${isReply(error) ? `refused (${replyCode(error)})` : 'did not answer'}`, error);
    }
    return (answers ?? []).map(([, answer]) => answer);
  }

  #needed(replication: Replication): number {
    const { replicas = 'auto' } = this.#options;
    if (replicas !== 'auto') return replicas;
    const { runId, online, hadReplicas, demandsReplicas } = replication;
    const most = Math.max(online, this.#seen.get(runId) ?? 0);
    this.#seen.delete(runId);
    this.#seen.set(runId, most);
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= SERVERS_MAX) break;
      this.#seen.delete(oldest);
    }
    return Math.max(most, hadReplicas || demandsReplicas ? 1 : 0);
  }

  #lacking(needed: number, online: number, confirmed: number): string {
    const { setting } = this.#options;
    const found =
      online < needed
        ? `it has ${online} of ${needed} replicas`
        : `${confirmed} of ${needed} replicas confirmed a write within ${CONFIRM_MS} ms`;
    return `${found}, so that one may have been promoted in its place; bring the replicas back, or say how many there are with ${setting} (0: none)`;
  }

  #doubt(why: string, cause?: unknown): CompactError {
    const { name, code } = this.#options;
    return new CompactError(
      `the ${name} Redis is not confirmed to be the primary: ${why}; nothing is deleted until it is`,
      { kind: 'retry', code, ...(cause === undefined ? {} : { cause: safeError(cause) }) },
    );
  }
}

/** The server that keeps this key, asked by this very connection; empty where it does not answer. */
export async function serverOfKey(redis: RedisClient, redisKey: string): Promise<string> {
  // On a cluster the key takes INFO to its node.
  const answers = await redis
    .pipeline()
    .exists(redisKey)
    .info('server')
    .info('replication')
    .exec()
    .catch(() => null);
  const [, server, replication] = answers ?? [];
  if (server?.[0] || replication?.[0]) return '';
  const { runId, replId } = replicationOf(`${server?.[1]}\n${replication?.[1]}`);
  return serverOf(runId, replId);
}

/** Every primary that this client knows. */
export function primariesOf(redis: RedisClient): readonly Redis[] {
  return redis instanceof Cluster ? redis.nodes('master') : [redis];
}
