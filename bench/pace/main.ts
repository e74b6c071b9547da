/**
 * `npm run bench:pace -- [--processes 4] [--seconds 20] [--rate 20000000]`: how exactly a pool of processes keeps its
 * common rate. Each process takes as much as it gets, in requests from a few KiB to more than a lot; a third of the time
 * the common budget is away (Redis frozen), and each has to keep to its share. Prints bytes taken against rate × time.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startRedis } from '../../test/kit/servers/redis.ts';

const TAKER = fileURLToPath(new URL('taker.ts', import.meta.url));
/** From KiB to the size of a block. */
const SIZES = [8_192, 65_536, 1_048_576, 4_194_304];

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '20' },
    rate: { type: 'string', default: '20000000' },
  },
});
const [processes, seconds, rate] = [values.processes, values.seconds, values.rate].map(Number) as [
  number,
  number,
  number,
];
const redis = await startRedis();
const takers = Array.from({ length: processes }, (_, n) => {
  const bytes = SIZES[n % SIZES.length] ?? 0;
  const child = fork(TAKER, [redis.url, String(rate), String(bytes), String(processes)]);
  const one = { bytes, child, taken: 0, at: 0 };
  child.on('message', (taken: number) => {
    one.taken = taken;
  });
  return one;
});
await Promise.all(takers.map(({ child }) => once(child, 'message')));

async function measure(what: string, ms: number): Promise<void> {
  const before = takers.map(({ taken }) => taken);
  const beganMs = performance.now();
  await delay(ms);
  const took = (performance.now() - beganMs) / 1_000;
  const each = takers.map(({ taken }, n) => taken - (before[n] ?? 0));
  const all = each.reduce((sum, one) => sum + one, 0);
  const shares = takers.map(({ bytes }, n) => `${bytes / 1024} KiB: ${Math.round((100 * (each[n] ?? 0)) / all)} %`);
  console.log(
    `${what.padEnd(28)} ${(all / took / 1e6).toFixed(2)} MB/s, ${(all / took / rate).toFixed(3)} of the rate; ${shares.join(', ')}`,
  );
}

// The first burst and the count of members are behind us then.
await delay(12_000);
console.log(`${processes} processes, rate ${rate / 1e6} MB/s, ${seconds} s each`);
await measure('shared through Redis', seconds * 1_000);
process.kill(redis.pid, 'SIGSTOP');
await delay(2_000);
await measure('Redis frozen: own shares', seconds * 1_000);
process.kill(redis.pid, 'SIGCONT');
await delay(4_000);
await measure('Redis back', seconds * 1_000);
for (const { child } of takers) child.kill('SIGKILL');
await redis.stop();
