/** Seeds of the world of slices on a Redis of their own, for the command line: plays them and says what was tried. */
import { startRedis } from '../../kit/servers/redis.ts';
import { playSlices } from './play.ts';
import { SliceServers } from './stage.ts';

const PROGRESS_EVERY = 500;

async function withServers<T>(act: (servers: SliceServers) => Promise<T>): Promise<T> {
  const redis = await startRedis();
  const servers = new SliceServers(redis.url);
  try {
    return await act(servers);
  } finally {
    await servers.close();
    await redis.stop();
  }
}

/** One seed, step by step. Answers the exit code. */
export function replaySlices(seed: number): Promise<number> {
  return withServers(async (servers) => {
    const { violations, trace } = await playSlices(seed, servers, { trace: true });
    console.log(trace.join('\n'));
    console.log(`seed ${seed}: ${violations.length === 0 ? 'nothing was violated' : violations.join('\n')}`);
    return violations.length === 0 ? 0 : 1;
  });
}

export function exploreSlices(from: number, seeds: number): Promise<number> {
  return withServers(async (servers) => {
    console.log(`seeds ${from} to ${from + seeds - 1}`);
    const [counts, struck] = [new Map<string, number>(), new Map<string, number>()];
    const failed: number[] = [];
    for (let seed = from; seed < from + seeds; seed++) {
      const verdict = await playSlices(seed, servers);
      for (const [what, count] of Object.entries(verdict.counts)) counts.set(what, (counts.get(what) ?? 0) + count);
      for (const [what, count] of verdict.struck) struck.set(what, (struck.get(what) ?? 0) + count);
      if (verdict.violations.length > 0) {
        failed.push(seed);
        console.log(`seed ${seed}: ${verdict.violations[0]}\nrepeat: npm run sim -- --slices --seed ${seed}`);
      }
      const played = seed - from + 1;
      if (played % PROGRESS_EVERY === 0) console.log(`${played} of ${seeds} seeds, ${failed.length} failed`);
    }
    console.log('\nwhat happened, and how often each fault struck each call:');
    for (const table of [counts, struck])
      for (const [what, count] of [...table].toSorted()) console.log(`${String(count).padStart(8)}  ${what}`);
    console.log(`\n${seeds} seeds, ${failed.length} failed${failed.length === 0 ? '' : `: ${failed.join(' ')}`}`);
    return failed.length === 0 ? 0 : 1;
  });
}
