/**
 * The short form of `npm run soak`: some hundred files instead of a hundred thousand, the same two scans at once, pool,
 * kills and judgement (issue: scanned, compacted, verified, reaped; never two of one key; a second run writes nothing).
 */
import { expect, inject, it } from 'vitest';
import { fullReadGets } from '../kit/oracle/reader.ts';
import { freshBucket, uniquePrefix } from '../setup/isolation.ts';
import { runSoak } from './run.ts';
import { SHORT } from './settings.ts';
import { fileOf, SHAPES } from './shapes.ts';

const INODES = 300;
const FINISH_MS = 900_000;

it('files of mixed shape are scanned twice at once, compacted by processes that die, reaped, and right', async () => {
  const prefix = uniquePrefix('soak');
  const seed = Date.now() % 2 ** 20;
  const { faults, figures, counts } = await runSoak({
    inodes: INODES,
    processes: 2,
    killEveryMs: 1_000,
    seed,
    pace: SHORT,
    finishMs: FINISH_MS,
    place: {
      redisUrl: inject('redisUrl'),
      s3: inject('s3'),
      bucket: await freshBucket('soak'),
      metadataPrefix: prefix,
      queuePrefix: `q-${prefix}`,
    },
    say: () => undefined,
  });
  console.log([...figures].map(([name, figure]) => `${name}: ${figure}`).join('\n'));
  expect(faults, `seed ${seed}`).toEqual([]);
  // It took place at all.
  expect(counts.get('chunks')).toBeGreaterThan(5);
  expect(counts.get('deleted')).toBeGreaterThan(20);
  expect((counts.get('workersKilled') ?? 0) + (counts.get('scansKilled') ?? 0)).toBeGreaterThan(0);
});

it.each([1, 2, 592_745, 2 ** 20 - 1])(
  'files of seed %i have every shape, and are what they are by number and seed alone',
  (seed) => {
    const files = Array.from({ length: 3_000 }, (_, n) => fileOf(seed, n + 1));
    expect(new Set(files.map(({ shape }) => shape))).toEqual(new Set(SHAPES));
    expect(fileOf(seed, 77)).toEqual(files[76]);
    const gets = files.map((file) => fullReadGets(file));
    expect(gets.filter((count) => count <= 3).length).toBeGreaterThan(2_500);
    expect(gets.filter((count) => count > 6).length).toBeGreaterThan(80);
  },
);
