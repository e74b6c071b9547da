/**
 * Clients of Redis in three profiles, and what must be known of a server before a queue is kept in it. ioredis' defaults
 * suit none of the three: they queue commands while the server is down, wait for ever, and send a command whose answer was
 * lost once more, which would commit twice. It must not know a key or a job, and it never prints a password.
 */
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { CompactError } from '../errors.ts';
import { parseRedisUrl, type RedisTarget } from '../urls/redis.ts';
import { isReply, type RedisClient, replyCode, safeError, watchLink, whenReady } from './link.ts';
import { primariesOf, type Replication, replicationOf } from './primary.ts';
import { WatchfulConnector } from './sentinels.ts';

export type { RedisClient };

/**
 * metadata: a command is sent once or not at all. producer: for BullMQ Queue; fails rather than wait for a server that
 * is down; not for blocking commands. worker: for BullMQ Worker and QueueEvents; no command is ever given up.
 */
export type RedisProfile = 'metadata' | 'producer' | 'worker';

interface ConnectOptions {
  readonly profile: RedisProfile;
  /** How long connecting and (but for workers) one command may take; default 10 s. */
  readonly timeoutMs?: number;
  /** Called for every failure to connect or to stay connected, for the log; the client goes on trying. */
  readonly onError?: (error: Error) => void;
}

/** `replyMapping` is a type parameter of the clients; none of us sets it. */
type NodeOptions = Omit<RedisOptions, 'replyMapping'>;

const DEFAULT_TIMEOUT_MS = 10_000;
/** What the other side has to close its end, too; ioredis keeps the process for so long even where there is no connection. */
const END_WAIT_MS = 100;
/** A blocking command of BullMQ waits at most 10 s; a server silent for three times as long is gone. */
const WORKER_SILENCE_MS = 30_000;
/** BullMQ's own recommendation, and the first with all that the scripts use. */
const VERSION_MIN = [6, 2] as const;

/**
 * A client that connects by itself, and again after every loss; it ends with `quit()` or `disconnect()`. See parseRedisUrl
 * for the forms of the URL. Throws `settings-invalid` (halt) for any other; all later trouble shows in `whenReady`.
 */
export function connectRedis(where: string | RedisTarget, options: ConnectOptions): RedisClient {
  const target = typeof where === 'string' ? parseRedisUrl(where) : where;
  const redis = target.form === 'cluster' ? connectCluster(target, options) : connectOne(target, options);
  watchLink(redis, options.onError);
  return redis;
}

/** 0.1, 0.2 … 1 s: a server that comes back is found within a second (18 s with BullMQ's own, see LIBRARIES). */
function retryDelayMs(times: number): number {
  return Math.min(1000, 50 * 2 ** times);
}

function profileOptions(options: ConnectOptions): NodeOptions {
  const { profile, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const common: NodeOptions = {
    connectionName: `s3compact-${profile}`,
    connectTimeout: timeoutMs,
    disconnectTimeout: END_WAIT_MS,
    // A primary demoted behind the same name: this command failed for good, the next one finds the new primary.
    reconnectOnError: (error) => replyCode(error) === 'READONLY',
  };
  // No commandTimeout: some block.
  if (profile === 'worker') return { ...common, maxRetriesPerRequest: null, socketTimeout: WORKER_SILENCE_MS };
  // commandTimeout alone would leave a dead connection in use until TCP gives up, after some 15 minutes.
  const prompt: NodeOptions = { ...common, commandTimeout: timeoutMs, socketTimeout: timeoutMs };
  if (profile === 'producer') return { ...prompt, enableOfflineQueue: false, maxRetriesPerRequest: 1 };
  // I6: sent once or not at all. With 0 retries, what was on its way when the connection closed fails at once.
  return { ...prompt, enableOfflineQueue: false, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false };
}

function connectOne(target: RedisTarget, options: ConnectOptions): Redis {
  const own = { db: target.db, retryStrategy: retryDelayMs };
  const settings: NodeOptions = { ...profileOptions(options), ...access(target), ...own };
  if (target.form === 'single') return new Redis({ ...settings, ...target.nodes[0] });
  return new Redis({
    ...settings,
    sentinels: [...target.nodes],
    name: target.masterName,
    sentinelCommandTimeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    Connector: WatchfulConnector,
    sentinelUsername: target.sentinelUsername,
    sentinelPassword: target.sentinelPassword,
    ...(target.tls ? { sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
  });
}

function connectCluster(target: RedisTarget, options: ConnectOptions): Cluster {
  const { enableOfflineQueue = true, ...redisOptions } = profileOptions(options);
  const settings: Omit<ClusterOptions, 'redisOptions'> = { clusterRetryStrategy: retryDelayMs, enableOfflineQueue };
  if (options.profile === 'metadata') {
    // I6: otherwise ioredis sends again what was on its way when the connection to a node closed.
    settings.retryDelayOnFailover = 0;
    // Otherwise CLUSTERDOWN, a definite no, becomes "too many redirections", which tells nothing.
    settings.retryDelayOnClusterDown = 0;
  }
  // Certificates are made out to names: keep them, do not turn nodes into addresses.
  if (target.tls) settings.dnsLookup = (name, callback) => callback(null, name);
  return new Cluster([...target.nodes], { ...settings, redisOptions: { ...redisOptions, ...access(target) } });
}

function access(target: RedisTarget): NodeOptions {
  return {
    username: target.username,
    password: target.password,
    ...(target.tls ? { tls: {} } : {}),
  };
}

/** What a server is checked for, and how its faults are named. */
export interface FitOptions {
  /** In messages: `the … Redis`. */
  readonly name: "queue's" | 'metadata';
  readonly timeoutMs?: number;
  /** How long objects are kept after nothing references them: longer than a primary that was cut off takes writes. */
  readonly graceMs?: number;
}

const FIT_CODES = {
  "queue's": { unfit: 'queue-unfit', unavailable: 'queue-unavailable' },
  metadata: { unfit: 'metadata-refused', unavailable: 'metadata-unavailable' },
} as const;

/**
 * Checks that the server (every primary of a cluster) can be trusted with a queue or with metadata: it evicts nothing, is
 * no replica, is Redis 6.2 or later, and gives up within the grace when it was cut off. Returns what is not as it should
 * be but works. Throws `queue-unfit` or `metadata-refused` (halt) with all that is wrong and what to do, or
 * `queue-unavailable`, `metadata-unavailable` (retry).
 */
export async function checkRedisFit(redis: RedisClient, options: FitOptions): Promise<readonly string[]> {
  const { name, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const { unfit, unavailable } = FIT_CODES[name];
  const fault = await whenReady(redis, timeoutMs);
  if (fault !== null) {
    throw new CompactError(`the ${name} Redis ${fault.message}`, {
      ...(fault.refused ? ({ kind: 'halt', code: unfit } as const) : ({ kind: 'retry', code: unavailable } as const)),
      cause: fault.cause,
    });
  }
  const found = await Promise.all(primariesOf(redis).map((node) => fitness(node, options)));
  const problems = found.flatMap((node) => node.problems);
  if (problems.length === 0) return found.flatMap((node) => node.warnings);
  throw new CompactError(`the ${name} Redis is not fit: ${problems.join('; ')}`, { kind: 'halt', code: unfit });
}

interface Fitness {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

async function fitness(node: Redis, options: FitOptions): Promise<Fitness> {
  const where = `${node.options.host}:${node.options.port}`;
  const info = await answered(node.info(), options);
  if (info === null) {
    return { problems: [`${where} does not let this user run INFO, so it cannot be checked; allow it`], warnings: [] };
  }
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const setting = async (name: string) => (await answered(node.config('GET', name), options))?.[1];
  const problems: string[] = [];
  const version = field('redis_version') ?? '0';
  if (!isRecent(version)) problems.push(`${where} is version ${version}; Redis 6.2 or later (or Valkey) is needed`);
  const isReplica = field('role') === 'slave';
  const replica = `${where} is a replica; give the URL of its primary`;
  // Metadata can be scanned on a replica: what writes is refused by the server itself.
  if (isReplica && options.name === "queue's") problems.push(replica);
  const policy = field('maxmemory_policy') ?? (await setting('maxmemory-policy')) ?? 'unknown';
  if (policy !== 'noeviction') {
    problems.push(
      `${where} may throw keys away when memory is short (maxmemory-policy is ${policy}); run "CONFIG SET maxmemory-policy noeviction" and write it into redis.conf`,
    );
  }
  const replication = replicationOf(info);
  const isCluster = field('cluster_enabled') === '1';
  // How long it goes on taking writes when it was cut off, where the server tells.
  const lag = isCluster ? 'cluster-node-timeout' : replication.demandsReplicas ? 'min-replicas-max-lag' : null;
  const lagMs = lag === null ? 0 : Number((await setting(lag)) ?? 0) * (isCluster ? 1 : 1000);
  if (options.graceMs !== undefined && lagMs >= options.graceMs) {
    problems.push(
      `${where} goes on for ${lagMs / 1000} s when it was cut off (${lag}); S3COMPACT_GRACE (${options.graceMs / 1000} s) must be longer`,
    );
  }
  if (isReplica) return { problems, warnings: [replica] };
  return { problems, warnings: isCluster ? [] : unguarded(where, replication) };
}

/** A primary with replicas that takes writes without them: what it took when it was cut off is lost. */
function unguarded(where: string, { online, hadReplicas, demandsReplicas }: Replication): readonly string[] {
  if (demandsReplicas || (online === 0 && !hadReplicas)) return [];
  return [
    `${where} has ${online} replicas and takes writes without them: cut off, it goes on while one of them is promoted; run "CONFIG SET min-replicas-to-write 1" and "CONFIG SET min-replicas-max-lag 10", and write both into redis.conf`,
  ];
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1]);
}

/** The answer, or `null` where the server answers with an error; throws `…-unavailable` where it does not answer. */
async function answered<T>(call: Promise<T>, { name }: FitOptions): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (isReply(error)) return null;
    const cause = safeError(error);
    const code = FIT_CODES[name].unavailable;
    throw new CompactError(`the ${name} Redis did not answer (${cause.message})`, { kind: 'retry', code, cause });
  }
}
