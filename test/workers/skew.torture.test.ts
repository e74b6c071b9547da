/**
 * A pod whose clock is an hour wrong: it works, deletes nothing too early, loses nothing, and its wrong time costs nobody
 * else anything but time. The clock of the process is shifted; everybody else's is right.
 */
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { E2eWorld } from '../e2e/world.ts';
import { eventually } from '../queue/world.ts';

const INODE = 800n;
const BLOCK = 4096;
const HOUR_MS = 3_600_000;
let world: E2eWorld;
afterEach(() => world.close());

/** Options of Node.js under which every `Date` is off by so much. */
function shifted(ms: number): string {
  const code = `const D=Date;globalThis.Date=class extends D{constructor(...a){a.length?super(...a):super(D.now()+${ms})}static now(){return D.now()+${ms}}}`;
  return `--import=data:text/javascript,${encodeURIComponent(code)}`;
}

describe.each([
  ['ahead', HOUR_MS],
  ['behind', -HOUR_MS],
])('a worker whose clock is an hour %s', (_, ms) => {
  it('compacts, and keeps old objects for the whole grace period', async () => {
    world = await E2eWorld.open('skew', {
      env: { S3COMPACT_FRAGMENT_THRESHOLD: '3', S3COMPACT_GRACE: '1m', S3COMPACT_READER_CACHE_LIFE: '5s' },
    });
    await world.writer.createInode(INODE);
    await world.writer.write(INODE, 0, 4 * BLOCK);
    for (let block = 0; block < 4; block++) await world.writer.write(INODE, block * BLOCK + 100, 200);
    const before = await world.writer.state(INODE);
    const worker = world.startWorker({ NODE_OPTIONS: shifted(ms) });
    await world.clients.queue.enqueue({ fsId: 1, inodeId: INODE }, 'scan');
    const { queue } = world.clients.queue;
    await eventually('it is compacted', async () => (await queue.getCompletedCount()) === 1, 40_000);
    const compactedAtMs = performance.now();
    expect(await world.writer.readFault(INODE)).toBeNull();
    // A clock that were believed would be beyond the grace period at once, one way or the other.
    await eventually('a while has passed', async () => {
      expect(await world.writer.readFault(INODE, before)).toBeNull();
      return performance.now() - compactedAtMs > 4_000;
    });
    const ended = once(worker, 'exit');
    worker.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
  });
});
