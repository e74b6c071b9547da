/**
 * The order of the compact queue on real Redis: random histories of feeding and serving, judged by what must hold and
 * not by how slots are given. Served as BullMQ serves: the smallest place first.
 */
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { CompactQueue } from '../../src/queue/compact-queue.ts';
import type { FairRange } from '../../src/queue/fair-order.ts';
import { openQueueWorld, type QueueWorld } from './world.ts';

const RUNS = { numRuns: 40, endOnFailure: true };
const FILESYSTEMS = [1, 2, 3] as const;
const worlds: QueueWorld[] = [];
const queues: CompactQueue[] = [];
let world: QueueWorld;

beforeEach(() => {
  world = openQueueWorld('fair');
  worlds.push(world);
});
afterAll(async () => {
  for (const queue of queues) await queue.close();
  for (const one of worlds) one.close();
});

interface Waiting {
  readonly fsId: number;
  readonly score: number;
  readonly batch: number;
}

/** A queue of its own with what waits in it, as the test knows it. */
class Scene {
  readonly queue: CompactQueue;
  readonly waiting = new Map<string, Waiting>();
  #next = 1n;
  #batch = 0;

  constructor(n: number, fairRange?: FairRange) {
    const options = { connection: world.redis, prefix: `${world.prefix}-${n}`, jobTries: 3, retryDelayMs: 50 };
    this.queue = new CompactQueue({ ...options, ...(fairRange === undefined ? {} : { fairRange }) });
    queues.push(this.queue);
  }

  async feed(fsId: number, scores: readonly number[]): Promise<void> {
    const inodes = scores.map((score) => ({ key: { fsId, inodeId: this.#next++ }, score }));
    const batch = this.#batch++;
    for (const { key, score } of inodes) this.waiting.set(`${fsId}/${key.inodeId}`, { fsId, score, batch });
    expect(await this.queue.enqueueBest(fsId, inodes)).toBe(inodes.length);
  }

  async continuation(fsId: number): Promise<string> {
    const key = { fsId, inodeId: this.#next++ };
    await this.queue.enqueue(key, 'continuation');
    return `${fsId}/${key.inodeId}`;
  }

  /** The next job as a worker gets it, which is over at once. */
  async serve(): Promise<string | null> {
    const { redis } = world;
    const [id] = await redis.zpopmin(this.queue.queue.toKey('prioritized'));
    if (id === undefined) return null;
    const job = await this.queue.queue.getJob(id);
    const name = `${job?.data.fsId}/${job?.data.inodeId}`;
    await redis.del(this.queue.queue.toKey(id), this.queue.queue.toKey(`de:${job?.deduplicationId}`));
    return name;
  }

  /** Serves one and checks that it is the best of what was fed first of its file system. */
  async serveBest(): Promise<number | null> {
    const name = await this.serve();
    if (name === null) {
      expect(this.waiting.size).toBe(0);
      return null;
    }
    const served = this.waiting.get(name);
    if (served === undefined) throw new Error(`${name} was served and did not wait`);
    this.waiting.delete(name);
    const rivals = [...this.waiting.values()].filter(({ fsId }) => fsId === served.fsId);
    for (const { batch, score } of rivals) {
      expect(batch).toBeGreaterThanOrEqual(served.batch);
      if (batch === served.batch) expect(score).toBeLessThanOrEqual(served.score);
    }
    return served.fsId;
  }
}

const score = fc.integer({ min: 1, max: 1_000 });
const feeding = fc.record({
  kind: fc.constant('feed' as const),
  fsId: fc.constantFrom(...FILESYSTEMS),
  scores: fc.array(score, { minLength: 1, maxLength: 12 }),
});
const serving = fc.record({ kind: fc.constant('serve' as const), jobs: fc.integer({ min: 1, max: 10 }) });
const history = fc.array(fc.oneof(feeding, serving), { minLength: 4, maxLength: 30 });
type Step = typeof history extends fc.Arbitrary<(infer S)[]> ? S : never;

/** Jobs that each pair of file systems was served since both have had jobs waiting all the time. */
class Shares {
  readonly #pairs = new Map<string, [number, number]>();

  served(fsId: number, scene: Scene, waitedBefore: ReadonlySet<number>): void {
    for (const [a, b] of [[1, 2] as const, [1, 3] as const, [2, 3] as const]) {
      const name = `${a}-${b}`;
      if (!waitedBefore.has(a) || !waitedBefore.has(b)) {
        this.#pairs.delete(name);
        continue;
      }
      const share = this.#pairs.get(name) ?? [0, 0];
      if (fsId === a) share[0]++;
      if (fsId === b) share[1]++;
      this.#pairs.set(name, share);
      // Whatever the backlogs: while both wait, neither gets more than a job or two ahead of the other.
      expect(Math.abs(share[0] - share[1]), `${name}: ${share} of ${scene.waiting.size}`).toBeLessThanOrEqual(2);
    }
  }
}

async function play(steps: readonly Step[], scene: Scene): Promise<void> {
  const shares = new Shares();
  const serveOne = async () => {
    const before = new Set([...scene.waiting.values()].map(({ fsId }) => fsId));
    const fsId = await scene.serveBest();
    if (fsId !== null) shares.served(fsId, scene, before);
    return fsId;
  };
  for (const step of steps) {
    if (step.kind === 'feed') await scene.feed(step.fsId, step.scores);
    else for (let n = 0; n < step.jobs; n++) await serveOne();
  }
  while ((await serveOne()) !== null);
}

describe('jobs of several file systems', () => {
  it('are served in turns, what was fed first of a file system first and the best of it before the rest, at any history', async () => {
    let n = 0;
    await fc.assert(
      fc.asyncProperty(history, (steps) => play(steps, new Scene(n++))),
      RUNS,
    );
  });

  it('are served so too when the line of slots comes to its end and begins anew', async () => {
    let n = 0;
    const range = { first: 10, last: 400, rebaseAt: 25 };
    await fc.assert(
      fc.asyncProperty(history, (steps) => play(steps, new Scene(n++, range))),
      RUNS,
    );
  });

  it('a newcomer with one job does not wait for ten thousand of another', async () => {
    const scene = new Scene(0);
    for (let n = 0; n < 10; n++)
      await scene.feed(
        1,
        Array.from({ length: 1_000 }, (_, k) => (n * k) % 977),
      );
    for (let n = 0; n < 50; n++) await scene.serveBest();
    await scene.feed(2, [0.001]);
    const order = [await scene.serveBest(), await scene.serveBest(), await scene.serveBest()];
    expect(order).toContain(2);
  });

  it('a continuation lets others pass, and is served however many keep coming', async () => {
    const scene = new Scene(0);
    await scene.feed(1, [5, 4, 3]);
    const mine = await scene.continuation(1);
    await scene.feed(2, [1]);
    const early = [await scene.serve(), await scene.serve(), await scene.serve(), await scene.serve()];
    expect(early).not.toContain(mine);
    // From now on both file systems always have more, and better, work waiting.
    for (let served = 0; ; served++) {
      expect(served).toBeLessThan(250);
      await scene.feed(1, [1_000, 1_000]);
      await scene.feed(2, [1_000, 1_000]);
      if ((await scene.serve()) === mine) break;
    }
  });

  it('a job that is in work, or waits for its next try, keeps a place near the head when the line begins anew', async () => {
    const scene = new Scene(0, { first: 10, last: 4_000, rebaseAt: 100 });
    const { queue } = scene.queue;
    await scene.feed(
      1,
      Array.from({ length: 300 }, () => 1),
    );
    for (let n = 0; n < 150; n++) await scene.serve();
    const [waiting = '', inWork = ''] = await world.redis.zrange(queue.toKey('prioritized'), 0, '1');
    await world.redis.zrem(queue.toKey('prioritized'), waiting, inWork);
    await world.redis.zadd(queue.toKey('delayed'), Date.now() * 4096, waiting);
    await world.redis.lpush(queue.toKey('active'), inWork);
    await scene.feed(2, [1]);
    for (const id of [waiting, inWork]) expect((await queue.getJob(id))?.priority).toBeLessThanOrEqual(12);
  });

  it('an inode that is in flight is left alone, and one whose job is gone is queued again', async () => {
    const scene = new Scene(0);
    const inodes = [1n, 2n, 3n].map((inodeId) => ({ key: { fsId: 1, inodeId }, score: 1 }));
    expect(await scene.queue.enqueueBest(1, inodes)).toBe(3);
    expect(await scene.queue.enqueueBest(1, inodes)).toBe(0);
    // Redis lost the job and kept the key: the inode would never be queued again.
    const id = await scene.queue.jobIdOf({ fsId: 1, inodeId: 2n });
    await world.redis.del(scene.queue.queue.toKey(id ?? ''));
    await world.redis.zrem(scene.queue.queue.toKey('prioritized'), id ?? '');
    expect(await scene.queue.enqueueBest(1, inodes)).toBe(1);
    expect(await scene.queue.waitingCount()).toBe(3);
  });
});
