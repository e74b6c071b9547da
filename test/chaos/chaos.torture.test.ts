/**
 * The short form of `npm run chaos`: the same attack on real worker processes, a real Redis and a real S3 server, with the
 * lists in Redis and on the stand-in CurveFS cluster (I1, I7, I9, I12). With embedded servers it kills and pauses workers
 * only: those servers have no disk to come back from, so no Redis and no S3 server is restarted. The seed is printed;
 * `npm run chaos -- --seed N` takes it.
 */
import { expect, it } from 'vitest';
import { findRedis } from '../kit/servers/redis.ts';
import { missingCephPrograms } from '../kit/servers/s3.ts';
import { runChaos } from './run.ts';
import { Tally } from './tally.ts';

const embedded =
  process.env['S3COMPACT_TEST_EMBEDDED'] === '1' || findRedis() === undefined || missingCephPrograms().length > 0;
const servers = embedded ? 'embedded' : 'real';
const DURATION_MS = 24_000;
/** Reap records that met a server that was away come back after 30 s or more, which all have to wait for at the end. */
const SERVER_FAULTS_FOR_MS = 12_000;
const SERVER_FAULT_EVERY_MS = 3_000;
/** On CurveFS a record is due after more than a minute, and then a second time. */
const FINISH_MS = { redis: 150_000, curvefs: 600_000 } as const;
const SEEDS = 2 ** 20;
/** The attack goes on until so much was done. */
const LEAST = { writes: 100, kills: 3, commits: 10, staleReads: 10, reads: 10 } as const;
const DELETED_LEAST = 10;

it.each(['redis', 'curvefs'] as const)(
  `lists in %s, ${servers} servers${embedded ? ' (never restarted)' : ''}: nothing is lost and nothing leaks while ${embedded ? 'workers' : 'workers, Redis and the S3 server'} are killed and paused`,
  async (metadata) => {
    const tally = new Tally((line) => console.log(line));
    const seed = Date.now() % SEEDS;
    const left = await runChaos(
      {
        seed,
        durationMs: DURATION_MS,
        serverFaultsForMs: SERVER_FAULTS_FOR_MS,
        serverFaultEveryMs: SERVER_FAULT_EVERY_MS,
        servers,
        metadata,
        least: metadata === 'redis' ? { ...LEAST, deleted: DELETED_LEAST } : LEAST,
        finishMs: FINISH_MS[metadata],
      },
      tally,
    );
    console.log(tally.table());
    expect(tally.violations, `seed ${seed}`).toEqual([]);
    expect(left.leaked).toEqual([]);
    // The attack took place at all.
    for (const [name, count] of Object.entries({ ...LEAST, deleted: DELETED_LEAST })) {
      expect(tally.of(name as keyof typeof LEAST), name).toBeGreaterThanOrEqual(count);
    }
    if (metadata === 'curvefs') expect(tally.of('answersSpoilt')).toBeGreaterThanOrEqual(1);
    if (embedded) return;
    expect(tally.of('redisKills') + tally.of('redisPauses')).toBeGreaterThanOrEqual(1);
    expect(tally.of('s3Kills') + tally.of('s3Stops') + tally.of('s3Pauses')).toBeGreaterThanOrEqual(1);
  },
);
