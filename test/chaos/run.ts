/**
 * One chaos run: servers of its own, clients, workers and faults for the given time, then a healthy worker until both
 * queues are empty, then the verdict, then gc and the verdict once more: by now the bucket holds exactly what the
 * lists reference. It puts together and takes down; what is done and what must hold is beside it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { CompactQueue } from '../../src/queue/compact-queue.ts';
import { ReapQueue } from '../../src/queue/reap-queue.ts';
import { type KeptServer, startKeptRedis, startKeptS3 } from '../kit/servers/kept.ts';
import { startRedis } from '../kit/servers/redis.ts';
import { clientFor, type S3Access, startS3 } from '../kit/servers/s3.ts';
import { Random } from '../sim/seeded/random.ts';
import { feeder, reader, type Stage, writer } from './actors.ts';
import { AofTail } from './aof.ts';
import { ChaosClient } from './client.ts';
import { CurveLists } from './curvefs.ts';
import { breakCluster, breakRedis, breakS3, type FaultStage, killWorkers, pauseWorkers } from './faults.ts';
import { Gate } from './gate.ts';
import { collectAway } from './gc.ts';
import { type Lists, RedisLists } from './lists.ts';
import { BUCKET, FS_ID, GEOMETRY, JOB_TRIES, QUEUE_PREFIX, workerEnv } from './settings.ts';
import type { CountName, Tally } from './tally.ts';
import { judge, type Leftovers } from './verdict.ts';
import { WorkerPool } from './workers.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** For how long servers have faults; workers have them to the end. */
  readonly serverFaultsForMs: number;
  /** Mean time between two faults of one server. */
  readonly serverFaultEveryMs: number;
  /** `embedded`: no faults of servers, which have no disk there. */
  readonly servers: 'real' | 'embedded';
  /** Where the file system keeps its lists: Redis, or the stand-in CurveFS cluster. */
  readonly metadata: 'redis' | 'curvefs';
  /** One worker in so many is a pool of two processes (4); 1: all are. */
  readonly poolEvery?: number;
  /** The attack goes on until so much was done, too, but not for longer than ATTACK_TIMES_MAX times its duration. */
  readonly least?: Partial<Readonly<Record<CountName, number>>>;
  /** How long the healthy worker may take at the end. */
  readonly finishMs: number;
}

const INODES = 16;
const WORKERS = 4;
const POOL_EVERY = 4;
const WRITERS = 6;
const READERS = 2;
const STALE_READERS = 12;
const FEEDERS = 1;
const PROGRESS_EVERY_MS = 10_000;
/** For a busy machine. */
const ATTACK_TIMES_MAX = 10;
const DRAIN_MS = 120_000;
const POLL_MS = 200;
const NOTHING_LEFT = '0 jobs, 0 reap records';
const PROGRESS: readonly CountName[] = [
  'writes',
  'commits',
  'kills',
  'redisKills',
  's3Kills',
  's3Stops',
  'staleReads',
  'looks',
  'records',
  'deleted',
];

interface Servers {
  readonly told: string;
  readonly redisUrl: string;
  readonly s3: S3Access & { createBucket(name: string): Promise<void> };
  readonly redisServer?: KeptServer;
  readonly s3Server?: KeptServer;
  stop(): Promise<void>;
}

/** Everything that has to be closed at the end, in this order. */
interface Cast {
  readonly pool: WorkerPool;
  readonly lists: Lists;
  readonly client: ChaosClient;
  readonly queue: CompactQueue;
  readonly ledger: ReapQueue;
  readonly redis: Redis;
  readonly gate: Gate;
  readonly aof: AofTail | undefined;
  close(): Promise<void>;
}

/** Runs to the end, whatever is violated: that is in the tally. Throws when the run itself cannot go on. */
export async function runChaos(options: ChaosOptions, tally: Tally): Promise<Leftovers> {
  const servers = await startServers(options.servers);
  tally.say(`seed ${options.seed}; ${servers.told}`);
  const cast = await openCast(servers, tally, options);
  try {
    await servers.s3.createBucket(BUCKET);
    await cast.client.createFiles();
    cast.pool.keep(WORKERS);
    await attack(options, { servers, cast, tally });
    if (cast.lists instanceof CurveLists) cast.lists.endFaults();
    await finish(cast, tally, options.finishMs);
    const stage = {
      ...cast,
      tally,
      recordLost: (names: readonly string[]) => cast.aof?.firstWrittenInLostEnd(names) ?? [],
      evidence: (name: string) => JSON.stringify(cast.aof?.recordsOf(name)),
    };
    const left = await judge(stage);
    await collectAway(unreferencedOf(left), workerEnv(servers.redisUrl, servers.s3, cast.lists.env), tally);
    const collected = unreferencedOf(await judge(stage));
    if (collected > 0) tally.violate(`${collected} objects that nothing references are left after gc`);
    if (cast.lists instanceof CurveLists) cast.lists.judge();
    return left;
  } finally {
    await cast.close();
    await servers.stop();
  }
}

function unreferencedOf({ writers, recordLost, leaked }: Leftovers): number {
  return writers.length + recordLost.length + leaked.length;
}

async function startServers(kind: ChaosOptions['servers']): Promise<Servers> {
  const starts = kind === 'real' ? startReal() : startEmbedded();
  const [redis, s3] = await Promise.allSettled(starts);
  if (redis.status === 'rejected' || s3.status === 'rejected') {
    for (const started of [redis, s3]) if (started.status === 'fulfilled') await started.value.stop();
    throw redis.status === 'rejected' ? redis.reason : (s3 as PromiseRejectedResult).reason;
  }
  const kept = {
    ...('server' in redis.value ? { redisServer: redis.value.server } : {}),
    ...('server' in s3.value ? { s3Server: s3.value.server } : {}),
  };
  return {
    ...kept,
    told: `${redis.value.kind} ${redis.value.version}, ${s3.value.kind} ${s3.value.version}`,
    redisUrl: redis.value.url,
    s3: s3.value,
    stop: async () => {
      await Promise.all([redis.value.stop(), s3.value.stop()]);
    },
  };
}

function startReal() {
  return [startKeptRedis(), startKeptS3()] as const;
}

function startEmbedded() {
  return [startRedis({ prefer: 'embedded' }), startS3({ prefer: 'embedded' })] as const;
}

async function openCast(servers: Servers, tally: Tally, options: ChaosOptions): Promise<Cast> {
  const retryStrategy = (): number => 50;
  // A command is sent once or not at all, and waits for its answer as long as its connection stands.
  const once = { enableOfflineQueue: false, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false } as const;
  const redis = new Redis(servers.redisUrl, { ...once, enableOfflineQueue: true, retryStrategy });
  const queueRedis = new Redis(servers.redisUrl, { maxRetriesPerRequest: 1, retryStrategy });
  for (const connection of [redis, queueRedis]) connection.on('error', () => undefined);
  const s3 = clientFor(servers.s3);
  const gate = new Gate();
  const lists =
    options.metadata === 'curvefs'
      ? await CurveLists.start(s3, servers.s3, { random: new Random(options.seed), tally })
      : new RedisLists({ redis, s3, bucket: BUCKET, fsId: FS_ID, geometry: GEOMETRY });
  const clientGate = lists.apart ? new Gate() : gate;
  const queueOptions = { connection: queueRedis, prefix: QUEUE_PREFIX };
  const queue = new CompactQueue({ ...queueOptions, jobTries: JOB_TRIES, retryDelayMs: 200 });
  const ledger = new ReapQueue(queueOptions);
  const env = workerEnv(servers.redisUrl, servers.s3, lists.env);
  const pool = new WorkerPool(env, tally, options.poolEvery ?? POOL_EVERY);
  const aof = servers.redisServer === undefined ? undefined : new AofTail(servers.redisServer.directory);
  return {
    pool,
    lists,
    queue,
    ledger,
    redis,
    gate,
    aof,
    client: new ChaosClient({ lists, s3, gate: clientGate, tally, inodes: lists.resting ? 2 * INODES : INODES }),
    close: async () => {
      await pool.close();
      aof?.stop();
      await Promise.allSettled([queue.close(), ledger.close()]);
      for (const connection of [redis, queueRedis]) connection.disconnect();
      await lists.close();
      s3.destroy();
    },
  };
}

async function attack(
  options: ChaosOptions,
  world: { readonly servers: Servers; readonly cast: Cast; readonly tally: Tally },
): Promise<void> {
  const { servers, cast, tally } = world;
  const over = overWhenDone(options, tally);
  const { seed, serverFaultEveryMs } = options;
  const stage: Stage = { ...cast, tally, seed, over };
  const faultStage: FaultStage = { ...cast, tally, seed, over, serverFaultEveryMs };
  const serverStage = { ...faultStage, over: AbortSignal.timeout(options.serverFaultsForMs) };
  const progress = setInterval(() => {
    tally.say(PROGRESS.map((name) => `${name} ${tally.of(name)}`).join(', '));
  }, PROGRESS_EVERY_MS);
  try {
    await Promise.all([
      ...Array.from({ length: WRITERS }, (_, n) => writer(stage, n)),
      ...Array.from({ length: READERS }, (_, n) => reader(stage, 100 + n, false)),
      ...Array.from({ length: cast.lists.resting ? 4 * STALE_READERS : STALE_READERS }, (_, n) =>
        reader(stage, 200 + n, true),
      ),
      ...Array.from({ length: FEEDERS }, (_, n) => feeder(stage, 300 + n)),
      ...(cast.lists instanceof CurveLists ? [breakCluster(faultStage, cast.lists)] : []),
      killWorkers(faultStage),
      pauseWorkers(faultStage),
      ...(servers.s3Server === undefined ? [] : [breakS3(serverStage, servers.s3Server)]),
      ...(servers.redisServer === undefined || cast.aof === undefined
        ? []
        : [breakRedis(serverStage, servers.redisServer, cast.aof)]),
    ]);
  } finally {
    clearInterval(progress);
  }
}

/** Aborts when the time is over and enough was done. */
function overWhenDone({ durationMs, least = {} }: ChaosOptions, tally: Tally): AbortSignal {
  const over = new AbortController();
  const wanted = Object.entries(least) as [CountName, number][];
  const startedMs = performance.now();
  const timer = setInterval(() => {
    const passedMs = performance.now() - startedMs;
    if (passedMs < durationMs) return;
    if (passedMs < ATTACK_TIMES_MAX * durationMs && wanted.some(([name, count]) => tally.of(name) < count)) return;
    clearInterval(timer);
    over.abort();
  }, POLL_MS);
  return over.signal;
}

/** The faults are over: who is left stops well, and a fresh worker does what there is to do; a second one finds nothing. */
async function finish(cast: Cast, tally: Tally, finishMs: number): Promise<void> {
  tally.say('the faults are over');
  await cast.pool.drain(DRAIN_MS);
  const endMs = performance.now() + finishMs;
  const busy = tally.of('busyEnded');
  await workOff(cast, tally, endMs);
  // A job whose tries the writers had used up ends with its file undone: the next scan queues it again.
  if (tally.of('busyEnded') > busy) await workOff(cast, tally, endMs);
  const commits = tally.of('commits');
  await workOff(cast, tally, endMs);
  if (tally.of('commits') !== commits) tally.violate('a second run over every inode, with no writer left, found work');
  tally.say('both queues are empty');
}

/** Queues every inode and lets one worker run until both queues are empty. */
async function workOff(cast: Cast, tally: Tally, endMs: number): Promise<void> {
  const { pool, queue, ledger, client } = cast;
  for (const { inodeId } of client.journals) await queue.enqueue({ fsId: FS_ID, inodeId }, 'scan');
  pool.keep(1);
  let toldMs = performance.now();
  for (;;) {
    const left = `${await pending(queue)} jobs, ${await pending(ledger)} reap records`;
    if (left === NOTHING_LEFT) break;
    if (performance.now() > endMs) {
      tally.violate(`not done long after the last fault: ${left} are left`);
      break;
    }
    if (performance.now() - toldMs > PROGRESS_EVERY_MS) {
      tally.say(`left: ${left}`);
      toldMs = performance.now();
    }
    await delay(POLL_MS);
  }
  await pool.drain(DRAIN_MS);
}

async function pending({ queue }: CompactQueue | ReapQueue): Promise<number> {
  return queue.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed');
}
