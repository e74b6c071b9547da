/**
 * `npm run soak -- --inodes 100000 --processes 4 --kill-every 5 --seed 1`: the whole service on one Redis and one radosgw
 * of its own, with processes that die, and then every byte and every object. Prints progress and a table; exit code 1
 * when anything was wrong. The seed chooses files and kills; processes are not deterministic, so a run repeats roughly.
 */
import { parseArgs } from 'node:util';
import { startRedis } from '../kit/servers/redis.ts';
import { startS3 } from '../kit/servers/s3.ts';
import { runSoak } from './run.ts';
import { LONG } from './settings.ts';
import { COUNTS, type CountName } from './victims.ts';

const BUCKET = 'soak';
const FINISH_MS = 30 * 60_000;
const SEEDS = 2 ** 20;

interface Wanted {
  readonly inodes: number;
  readonly processes: number;
  readonly killEveryMs: number;
  readonly seed: number;
}

function wanted(): Wanted | null {
  const { values } = parseArgs({
    options: {
      inodes: { type: 'string', default: '100000' },
      processes: { type: 'string', default: '4' },
      'kill-every': { type: 'string', default: '5' },
      seed: { type: 'string', default: `${Date.now() % SEEDS}` },
    },
  });
  const [inodes, processes, killEvery, seed] = [values.inodes, values.processes, values['kill-every'], values.seed].map(
    Number,
  );
  const whole = [inodes, processes, seed].every((value) => Number.isSafeInteger(value));
  if (inodes === undefined || processes === undefined || killEvery === undefined || seed === undefined || !whole)
    return null;
  if (inodes < 1 || processes < 2 || !(killEvery >= 0) || seed < 0 || seed >= SEEDS) return null;
  return { inodes, processes, killEveryMs: killEvery * 1000, seed };
}

async function main(): Promise<number> {
  const options = wanted();
  if (options === null) {
    console.error(`--inodes from 1, --processes from 2, --kill-every SECONDS (0: never), --seed below ${SEEDS}`);
    return 2;
  }
  const [redis, s3] = await Promise.all([startRedis({ prefer: 'real' }), startS3({ prefer: 'real' })]);
  try {
    console.log(
      `seed ${options.seed}; ${redis.kind} ${redis.version}, ${s3.kind} ${s3.version}; Node.js ${process.version}`,
    );
    await s3.createBucket(BUCKET);
    const place = { redisUrl: redis.url, s3, bucket: BUCKET, metadataPrefix: 'fs', queuePrefix: 'soak' };
    const { faults, figures, counts } = await runSoak({
      ...options,
      place,
      pace: LONG,
      finishMs: FINISH_MS,
      say: (line) => console.log(line),
    });
    console.log(`\nseed ${options.seed}, ${options.inodes} inodes, ${options.processes} processes`);
    for (const [name, figure] of figures) console.log(`${name.padStart(36)}  ${figure}`);
    for (const [name, words] of Object.entries(COUNTS))
      console.log(`${(counts.get(name as CountName) ?? 0).toLocaleString('en').padStart(14)}  ${words}`);
    console.log(`\n${faults.length} faults`);
    for (const fault of faults.slice(0, 50)) console.log(`FAULT  ${fault}`);
    return faults.length === 0 ? 0 : 1;
  } finally {
    await Promise.all([redis.stop(), s3.stop()]);
  }
}

// What was started ends with us: servers by their guard, processes by the exit.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.exitCode = await main();
