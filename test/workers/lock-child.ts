/**
 * A worker whose loop is blocked for several times as long as its locks last. Prints one line when it has the job, and
 * one when it is done.
 */
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';

const [redisUrl = '', prefix = '', lockMs = '0', blockMs = '0'] = process.argv.slice(2);
const worker = new Worker(
  'locks',
  async () => {
    console.log('taken');
    const endMs = performance.now() + Number(blockMs);
    while (performance.now() < endMs);
    console.log('done');
    return 'by the blocked one';
  },
  {
    connection: new Redis(redisUrl, { maxRetriesPerRequest: null }),
    prefix,
    lockDuration: Number(lockMs),
    skipStalledCheck: true,
  },
);
worker.on('error', () => console.log('refused'));
