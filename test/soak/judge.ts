/**
 * The end of a soak: every byte read through the lists and held against what was written, the bucket against the lists,
 * and a second round of a scan and of runs, which has to find nothing and write nothing.
 */
import { Redis } from 'ioredis';
import { CompactQueue } from '../../src/queue/compact-queue.ts';
import { Random } from '../sim/seeded/random.ts';
import { FS_ID } from './shapes.ts';
import type { Verdict } from './store.ts';
import { DRAIN_MS, every, n, PROGRESS_EVERY_MS, pending, SCAN, say, since, until, type World } from './world.ts';

/** Inodes that are run once more at the end though they need nothing. */
const SECOND_RUNS = 1_000;

/** Every byte by the lists, and the bucket by the lists. */
export async function judge(world: World): Promise<Verdict> {
  const { store, faults, figures, options } = world;
  const startMs = performance.now();
  const told = every(PROGRESS_EVERY_MS);
  const verdict = await store.verify((inodes) => {
    if (told()) say(world, `verified: ${inodes} inodes`);
  });
  faults.push(...verdict.faults);
  const bucket = await store.bucket();
  let missing = 0;
  for (const [name, bytes] of verdict.referenced) {
    const size = bucket.get(name)?.size;
    if (size === undefined || size < bytes) missing++;
    if (missing === 1 && (size === undefined || size < bytes))
      faults.push(`object ${name} is referenced and ${size === undefined ? 'missing' : 'too short'}`);
  }
  const leaked = [...bucket.keys()].filter((name) => !verdict.referenced.has(name));
  if (leaked.length > 0)
    faults.push(`${leaked.length} objects are in the bucket that nothing references: ${leaked.slice(0, 3).join(', ')}`);
  figures.set(
    'verified',
    `${n(verdict.bytes)} bytes of ${n(options.inodes)} inodes in ${since(startMs).toFixed(0)} s; ${verdict.faults.length} wrong`,
  );
  figures.set(
    'bucket',
    `${n(bucket.size)} objects, ${n(verdict.referenced.size)} referenced, ${leaked.length} leaked, ${missing} missing`,
  );
  figures.set(
    'GETs of a full read of everything',
    `${n(verdict.getsWritten)} before, ${n(verdict.gets)} after: ${n(verdict.getsWritten - verdict.gets)} saved`,
  );
  for (const name of ['verified', 'bucket']) say(world, figures.get(name) ?? '');
  return verdict;
}

/** A second round: a scan and workers find nothing, and not a byte changes. */
export async function again(world: World, verdict: Verdict): Promise<void> {
  const { store, victims, faults, figures } = world;
  const before = await store.fingerprint();
  const chunks = victims.of('chunks');
  const runs = victims.of('runs');
  const asked = await queueSome(world);
  victims.keepPool();
  const scan = await victims.command(SCAN);
  await until(
    world,
    'both queues are empty again',
    async () => (await pending(world, 'compact')) + (await pending(world, 'reap')) === 0,
  );
  await victims.stopPool(DRAIN_MS);
  const after = await store.fingerprint();
  if (scan.exitCode !== 0) faults.push(`the second scan ended with ${scan.exitCode}: ${scan.stderr}`);
  if (victims.of('runs') - runs < asked)
    faults.push(`${asked} inodes were queued, ${victims.of('runs') - runs} runs were made`);
  if (victims.of('chunks') !== chunks) faults.push('the second round compacted something');
  if (before !== after) faults.push('the second round wrote something: Redis or the bucket are not as they were');
  const nothing = `the scan and ${n(asked)} runs over inodes found nothing and wrote nothing`;
  figures.set('second round', before === after ? nothing : 'WROTE SOMETHING');
  figures.set('versions left', n(verdict.versions));
}

/** Inodes of all shapes, whatever the scan says of them; how many. */
async function queueSome({ options }: World): Promise<number> {
  const { place, inodes, seed } = options;
  const connection = new Redis(place.redisUrl, { maxRetriesPerRequest: 1 });
  const queue = new CompactQueue({ connection, prefix: place.queuePrefix, jobTries: 1, retryDelayMs: 1 });
  const random = new Random(seed);
  const numbers = new Set(Array.from({ length: Math.min(inodes, SECOND_RUNS) }, () => 1 + random.below(inodes)));
  for (const number of numbers) await queue.enqueue({ fsId: FS_ID, inodeId: BigInt(number) }, 'scan');
  await queue.close();
  connection.disconnect();
  return numbers.size;
}
