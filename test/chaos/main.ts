/**
 * `npm run chaos -- --minutes 10 [--seed N] [--pools] [--curvefs]`: attacks real worker processes (with --pools: pools of them), a real
 * Redis and a real S3 server for that long (with --curvefs: a CurveFS cluster of sockets, too), and judges what is left. Prints the seed, progress and a final table; exit code 1 when anything was violated.
 * The seed chooses what is hit and when; processes are not deterministic, so a run repeats only roughly.
 */
import { parseArgs } from 'node:util';
import { runChaos } from './run.ts';
import { Tally } from './tally.ts';

const SERVER_FAULT_EVERY_MS = 20_000;
/** Reap records that met a server that was away come back after 30 s, 60 s, 120 s and so on. */
const FINISH_MS = 8 * 60_000;
/** On CurveFS each waits for more than a minute, twice. */
const FINISH_CURVEFS_MS = 15 * 60_000;
const SEEDS = 2 ** 20;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string' },
      curvefs: { type: 'boolean', default: false },
      pools: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  const seed = values.seed === undefined ? Date.now() % SEEDS : Number(values.seed);
  if (!(minutes > 0) || !Number.isSafeInteger(seed) || seed < 0 || seed >= SEEDS) {
    console.error(`--minutes must be above 0, --seed a whole number below ${SEEDS}`);
    return 2;
  }
  const tally = new Tally((line) => console.log(line));
  const durationMs = minutes * 60_000;
  const left = await runChaos(
    {
      seed,
      durationMs,
      serverFaultsForMs: durationMs,
      serverFaultEveryMs: SERVER_FAULT_EVERY_MS,
      servers: 'real',
      metadata: values.curvefs ? 'curvefs' : 'redis',
      ...(values.pools ? { poolEvery: 1 } : {}),
      finishMs: values.curvefs ? FINISH_CURVEFS_MS : FINISH_MS,
    },
    tally,
  );
  console.log(`\nseed ${seed}, ${minutes} minutes\n${tally.table()}\n`);
  console.log('objects that nothing referenced before gc, by what explains them:');
  console.log(
    `${String(left.writers.length).padStart(14)}  put by a writer whose list entry failed or was lost with Redis's last second`,
  );
  console.log(
    `${String(left.recordLost.length).padStart(14)}  referenced by a reap record that was added within a second that Redis lost`,
  );
  console.log(`${String(left.leaked.length).padStart(14)}  leaked`);
  console.log(`\n${tally.violated} violations`);
  for (const violation of tally.violations) console.log(`VIOLATED  ${violation}`);
  return tally.violated === 0 ? 0 : 1;
}

// What was started ends with us: servers by their guard, workers by the exit.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.exitCode = await main();
