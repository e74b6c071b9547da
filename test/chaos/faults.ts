/**
 * The faults: worker processes killed and paused, Redis killed, cut short and paused, the S3 server killed, stopped and
 * paused, each in a loop of its own until the time is over. It restarts what it ends, and settles the writers' journals
 * after every death of Redis, since only here it is known when Redis died and what it may have lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { KeptServer } from '../kit/servers/kept.ts';
import { Random } from '../sim/seeded/random.ts';
import type { AofTail } from './aof.ts';
import type { ChaosClient } from './client.ts';
import type { CurveLists } from './curvefs.ts';
import type { Gate } from './gate.ts';
import { NUMBERS_KEY } from './lists.ts';
import * as settings from './settings.ts';
import type { Tally } from './tally.ts';
import type { WorkerPool } from './workers.ts';

export interface FaultStage {
  readonly pool: WorkerPool;
  readonly client: ChaosClient;
  /** The writers' connection. */
  readonly redis: Redis;
  readonly gate: Gate;
  readonly tally: Tally;
  readonly seed: number;
  readonly over: AbortSignal;
  /** Mean time between two faults of a server. */
  readonly serverFaultEveryMs: number;
}

const KILL_EVERY_MS = [1_200, 2_800] as const;
const PAUSE_EVERY_MS = [2_000, 6_000] as const;
/** One pause in so many outlasts the lease. */
const LONG_PAUSE_IN = 3;
/** One kill in so many may hit a paused worker; more would leave no long pause standing. */
const KILL_PAUSED_IN = 6;
const CLUSTER_EVERY_MS = [300, 1_200] as const;
const POLL_MS = 10;

function between(random: Random, [from, to]: readonly [number, number]): number {
  return from + random.below(to - from);
}

/** Waits and then strikes, until the time is over; a blow that has begun is carried to its end. */
async function strike(
  stage: FaultStage,
  actor: number,
  blow: { readonly every: readonly [number, number]; readonly hit: (random: Random) => Promise<void> },
): Promise<void> {
  const random = new Random(stage.seed * 1_000 + 900 + actor);
  for (;;) {
    await delay(between(random, blow.every), undefined, { signal: stage.over }).catch(() => undefined);
    if (stage.over.aborted) return;
    await blow.hit(random);
  }
}

export function killWorkers(stage: FaultStage): Promise<void> {
  const hit = async (random: Random): Promise<void> => {
    const { all, awake } = stage.pool;
    const targets = random.below(KILL_PAUSED_IN) === 0 ? all : awake;
    if (targets.length > 0) await stage.pool.kill(random.pick(targets), random.below(1_000) / 1_000);
  };
  return strike(stage, 1, { every: KILL_EVERY_MS, hit });
}

/** Several at once: a pause does not wait for the one before. */
export async function pauseWorkers(stage: FaultStage): Promise<void> {
  const pauses: Promise<void>[] = [];
  const hit = async (random: Random): Promise<void> => {
    const { awake } = stage.pool;
    if (awake.length > 0) pauses.push(pauseOne(stage, awake, random));
  };
  await strike(stage, 2, { every: PAUSE_EVERY_MS, hit });
  await Promise.all(pauses);
}

async function pauseOne(stage: FaultStage, awake: WorkerPool['awake'], random: Random): Promise<void> {
  const worker = random.pick(awake);
  const long = random.below(LONG_PAUSE_IN) === 0;
  const ms = between(random, long ? settings.PAUSE_LONG_MS : settings.PAUSE_SHORT_MS);
  stage.pool.pause(worker, random.below(1_000) / 1_000);
  // Killed meanwhile: then it was a kill.
  await Promise.race([delay(ms), worker.ended]);
  if (worker.ending) return;
  stage.pool.resume(worker);
  stage.tally.add('pauses');
  if (long) stage.tally.add('pausesLong');
}

function serverEvery(stage: FaultStage): readonly [number, number] {
  return [stage.serverFaultEveryMs / 2, (3 * stage.serverFaultEveryMs) / 2];
}

export function breakS3(stage: FaultStage, server: KeptServer): Promise<void> {
  const hit = async (random: Random): Promise<void> => {
    const dice = random.below(3);
    if (dice === 0) return pauseServer(stage, server, { random, count: 's3Pauses' });
    stage.tally.add(dice === 1 ? 's3Kills' : 's3Stops');
    await server.end(dice === 1 ? 'SIGKILL' : 'SIGTERM');
    await delay(between(random, settings.SERVER_AWAY_MS));
    await server.start();
  };
  return strike(stage, 3, { every: serverEvery(stage), hit });
}

export function breakRedis(stage: FaultStage, server: KeptServer, aof: AofTail): Promise<void> {
  const hit = async (random: Random): Promise<void> => {
    const dice = random.below(4);
    if (dice === 0) return pauseServer(stage, server, { random, count: 'redisPauses' });
    await killRedis(stage, server, { random, aof, lossMs: dice === 1 ? 0 : random.below(settings.REDIS_LOSS_MAX_MS) });
  };
  return strike(stage, 4, { every: serverEvery(stage), hit });
}

/** All that goes wrong with a cluster of which no server is lost for good. */
export function breakCluster(stage: FaultStage, lists: CurveLists): Promise<void> {
  return strike(stage, 5, { every: CLUSTER_EVERY_MS, hit: (random) => lists.strike(random) });
}

async function pauseServer(
  stage: FaultStage,
  server: KeptServer,
  how: { readonly random: Random; readonly count: 'redisPauses' | 's3Pauses' },
): Promise<void> {
  server.signal('SIGSTOP');
  await delay(between(how.random, settings.SERVER_PAUSE_MS));
  server.signal('SIGCONT');
  stage.tally.add(how.count);
}

async function killRedis(
  stage: FaultStage,
  server: KeptServer,
  how: { readonly random: Random; readonly aof: AofTail; readonly lossMs: number },
): Promise<void> {
  const { gate, tally } = stage;
  gate.close();
  const killedAtMs = performance.now();
  await server.end('SIGKILL');
  tally.add('redisKills');
  if (how.lossMs > 0) {
    tally.add('redisLosses');
    tally.add('redisLostBytes', how.aof.cut(killedAtMs, how.lossMs));
  }
  await delay(between(how.random, settings.SERVER_AWAY_MS));
  await server.start();
  await gate.drained();
  while (stage.redis.status !== 'ready') await delay(POLL_MS);
  if (!stage.client.lists.apart) await settleJournals(stage, killedAtMs);
  gate.reopen();
}

/** The journals become what Redis kept. An entry that was acknowledged long before its death must be there. */
export async function settleJournals(stage: FaultStage, killedAtMs: number): Promise<void> {
  const { client, redis, tally } = stage;
  const numbers = await redis.hgetall(NUMBERS_KEY);
  for (const journal of client.journals) {
    const kept = Number(numbers[`${journal.inodeId}`] ?? 0);
    if (kept > journal.count) tally.violate(`inode ${journal.inodeId}: Redis has entry ${kept} of ${journal.count}`);
    const { applied, gone } = journal.settle(kept, performance.now());
    tally.add('unknownSettled', applied + gone.filter(({ ackedAtMs }) => ackedAtMs === undefined).length);
    for (const { ackedAtMs, version } of gone) {
      if (ackedAtMs === undefined) continue;
      tally.add('rolledBack');
      if (ackedAtMs >= killedAtMs - settings.REDIS_DURABLE_AFTER_MS) continue;
      const what = version === undefined ? 'a truncate' : `version ${version.chunkId}`;
      tally.violate(
        `inode ${journal.inodeId}: ${what} was acknowledged ${Math.round(killedAtMs - ackedAtMs)} ms before Redis died, and is gone`,
      );
    }
  }
}
