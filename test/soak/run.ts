/**
 * One soak: files of mixed shape are written; two scans at once feed the queue while a pool works it off, and processes
 * are killed all the time; then, with the faults over, everything is worked off and reaped, every byte is read, the bucket
 * is held against the lists, and a second round has to find nothing and write nothing. It puts together and takes down.
 */
import { Redis } from 'ioredis';
import { clientFor } from '../kit/servers/s3.ts';
import { Random } from '../sim/seeded/random.ts';
import { again, judge } from './judge.ts';
import { soakEnv } from './settings.ts';
import { SoakStore } from './store.ts';
import { Victims } from './victims.ts';
import { QueueWatch } from './watch.ts';
import {
  DRAIN_MS,
  every,
  LOOK_EVERY_MS,
  mib,
  n,
  PROGRESS_EVERY_MS,
  pause,
  pending,
  SCAN,
  type SoakOptions,
  type SoakReport,
  say,
  since,
  until,
  type World,
} from './world.ts';

/** Of so many kills one takes the pool with its main process. */
const POOL_KILL_IN = 6;

export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { place, pace, processes } = options;
  const redis = new Redis(place.redisUrl);
  const s3 = clientFor(place.s3);
  const world: World = {
    options,
    redis,
    store: new SoakStore({ ...options, ...place, redis, s3 }),
    victims: new Victims(soakEnv(place, pace), processes),
    watch: new QueueWatch(redis, place.queuePrefix),
    figures: new Map(),
    faults: [],
    startedMs: performance.now(),
  };
  try {
    await load(world);
    await attack(world);
    const verdict = await judge(world);
    await again(world, verdict);
    return { faults: [...world.faults, ...world.victims.faults], figures: world.figures, counts: world.victims.counts };
  } finally {
    await world.victims.close();
    redis.disconnect();
    s3.destroy();
  }
}

async function load(world: World): Promise<void> {
  const { store, figures, options } = world;
  const startMs = performance.now();
  const told = every(PROGRESS_EVERY_MS);
  const { objects, bytes } = await store.load((inodes, count) => {
    if (told()) say(world, `written: ${inodes} inodes, ${count} objects`);
  });
  const seconds = since(startMs);
  figures.set(
    'files written',
    `${n(options.inodes)} inodes, ${n(objects)} objects, ${n(bytes)} bytes in ${seconds.toFixed(0)} s (${n(objects / seconds)} objects/s)`,
  );
  say(world, figures.get('files written') ?? '');
}

/** Two scans and a pool, with processes that die; ends when both queues are empty and the last faults are over. */
async function attack(world: World): Promise<void> {
  const { victims, figures, options } = world;
  const startMs = performance.now();
  const over = new AbortController();
  victims.keepPool();
  const killing = killNowAndThen(world, over.signal);
  const watching = watchQueue(world, over.signal);
  try {
    const kills = options.killEveryMs === 0 ? 0 : 1;
    const scans = await Promise.all([victims.command(SCAN, { count: kills, afterMs: 1_500 }), victims.command(SCAN)]);
    const scanSeconds = since(startMs);
    for (const scan of scans)
      if (scan.exitCode !== 0) world.faults.push(`a scan ended with ${scan.exitCode}: ${scan.stderr}`);
    figures.set(
      'two scans at once',
      `${scanSeconds.toFixed(0)} s, ${n((2 * options.inodes) / scanSeconds)} inodes/s beside the workers; peak RSS ${mib(Math.max(...scans.map(({ rssBytes }) => rssBytes)))}`,
    );
    say(world, figures.get('two scans at once') ?? '');
    await until(world, 'the compact queue is empty', async () => (await pending(world, 'compact')) === 0);
    const seconds = since(startMs);
    figures.set(
      'compacted',
      `${n(victims.of('chunks'))} chunks, ${n(victims.of('runs'))} runs in ${seconds.toFixed(0)} s (${n(victims.of('chunks') / seconds)} chunks/s)`,
    );
    over.abort();
    await Promise.all([killing, watching]);
    await until(
      world,
      'both queues are empty',
      async () => (await pending(world, 'compact')) + (await pending(world, 'reap')) === 0,
    );
    figures.set(
      'reaped',
      `${n(victims.of('deleted'))} objects of ${n(victims.of('records'))} records, ${since(startMs).toFixed(0)} s after the start`,
    );
    victims.measure();
    await victims.stopPool(DRAIN_MS);
    await until(world, 'no worker process is left', async () => victims.survivors.length === 0);
  } finally {
    over.abort();
    await Promise.allSettled([killing, watching]);
  }
  figures.set('peak RSS of a worker process', mib(victims.workerRssBytes));
}

/** One after the other; the next one waits until some run has ended, or a slow machine would do nothing but start. */
async function killNowAndThen(world: World, over: AbortSignal): Promise<void> {
  const { victims, options } = world;
  if (options.killEveryMs === 0) return;
  const random = new Random(options.seed);
  for (;;) {
    const runs = victims.of('runs');
    await pause(1 + random.below(2 * options.killEveryMs), over);
    while (victims.of('runs') === runs && !over.aborted) await pause(LOOK_EVERY_MS, over);
    if (over.aborted) return;
    const { workers } = victims;
    if (random.below(POOL_KILL_IN) === 0) victims.killPool();
    else if (workers.length > 0) victims.killWorker(random.pick(workers));
  }
}

async function watchQueue(world: World, over: AbortSignal): Promise<void> {
  const { watch, victims, options } = world;
  const told = every(PROGRESS_EVERY_MS);
  while (!over.aborted) {
    const { waiting, active } = await watch.look();
    victims.measure();
    if (told()) {
      const dead = victims.of('workersKilled') + victims.of('poolsKilled') + victims.of('scansKilled');
      say(
        world,
        `waiting ${waiting}, active ${active}; ${victims.of('chunks')} chunks compacted, ${victims.of('deleted')} objects deleted, ${dead} processes killed`,
      );
    }
    await pause(LOOK_EVERY_MS, over);
  }
  world.faults.push(...[...watch.twice].map((one) => `an inode stands twice in the queue: ${one}`));
  world.figures.set(
    'looks at the queue',
    `${n(watch.looks)} while up to ${n(watch.waitingMost)} waited and ${watch.activeMost} ran; ${watch.twice.size} inodes twice`,
  );
  if (options.inodes > 0 && watch.waitingMost === 0) world.faults.push('the queue was never seen with a job in it');
}
