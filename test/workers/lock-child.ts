/**
 * A worker whose loop is blocked for several times as long as its locks last, with the keeper of locks or without it.
 * Prints one line for each job that it has taken, and one when it is done.
 */
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { createLogger } from '../../src/observe/log.ts';
import { LockKeeper } from '../../workers/locks/keeper.ts';
import { RunningJobs } from '../../workers/running-jobs.ts';

const [redisUrl = '', prefix = '', lockMs = '0', blockMs = '0', kept = ''] = process.argv.slice(2);
const lockDurationMs = Number(lockMs);
const settings = { redisUrl, queuePrefix: prefix, redisTimeoutMs: 1_000, lockDurationMs, leaseMs: 60_000 };
const keeper = kept === 'kept' ? new LockKeeper({ settings, log: createLogger({ level: 'warn' }) }) : undefined;
// Nothing else keeps this process alive yet.
const alive = setInterval(() => undefined, 1_000);
await keeper?.ready;
clearInterval(alive);
const jobs = new RunningJobs(keeper);
const worker = new Worker(
  'locks',
  jobs.tracked(async () => {
    console.log('taken');
    // The thread hears of the job; then nothing in this loop moves.
    await new Promise((resolve) => setTimeout(resolve, lockDurationMs / 4));
    const endMs = performance.now() + Number(blockMs);
    while (performance.now() < endMs);
    console.log('done');
  }),
  {
    connection: new Redis(redisUrl, { maxRetriesPerRequest: null }),
    prefix,
    lockDuration: lockDurationMs,
    skipStalledCheck: true,
  },
);
worker.on('error', () => undefined);
