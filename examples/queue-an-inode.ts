/**
 * Puts one inode into the compact queue, as a program does that knows when a file is finished. Workers do the rest.
 * In a checkout: `REDIS_URL=… node examples/queue-an-inode.ts 1 4711`. An inode that waits already is not queued twice.
 */
import { CompactQueue, connectRedis } from '../src/index.ts';

const [fsId = '', inodeId = ''] = process.argv.slice(2);
const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const connection = connectRedis(url, { profile: 'producer', timeoutMs: 10_000 });
const queue = new CompactQueue({ connection, prefix: 's3compact', jobTries: 5, retryDelayMs: 30_000 });
try {
  const { requestedId, jobId } = await queue.enqueue({ fsId: Number(fsId), inodeId: BigInt(inodeId) }, 'command');
  console.log(jobId === requestedId ? 'queued' : 'it was queued already');
} finally {
  await queue.close();
  connection.disconnect();
}
