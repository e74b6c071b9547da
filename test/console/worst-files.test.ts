/** The walk for the worst files of a file system: nothing is counted twice when a page of it is given up, or it begins anew. */
import { beforeEach, expect, it } from 'vitest';
import { FileWalks } from '../../src/console/worst-files.ts';
import { FS, flaky, POLICY, ScanWorld } from '../scan/world.ts';
import type { Crossing } from '../sim/boundary.ts';
import { MemoryMetadata } from '../sim/memory-metadata.ts';

const FILES = 30;
const { signal } = new AbortController();
let world: ScanWorld;

beforeEach(() => {
  world = new ScanWorld();
  for (let n = 1; n <= FILES; n++) world.file(BigInt(n), n % 3 === 0 ? 8 : 2);
});

/** One page of the walk for each look. */
function walks(crossing: Crossing): FileWalks {
  const metadata = new MemoryMetadata(world.metadata, crossing);
  return new FileWalks({ metadata, policy: POLICY, ledger: {}, monotonicMs: () => performance.now(), stepMs: -1 });
}

async function lookAtAll(walk: FileWalks) {
  for (;;) {
    const found = await walk.look(FS.fsId, signal);
    if (found.whole) return found;
  }
}

it('a look that is given up in the middle of a page ends there, and the next one looks at that page again', async () => {
  const reader = new AbortController();
  let read = 0;
  const walk = walks({
    gone: false,
    cross: async (name, effect) => {
      if (name === 'metadata.readLists' && ++read === 10) reader.abort();
      return effect();
    },
  });
  await walk.look(FS.fsId, reader.signal);
  await expect(walk.look(FS.fsId, reader.signal)).rejects.toMatchObject({ code: 'cancelled' });
  expect(read).toBe(10);
  expect(await lookAtAll(walk)).toMatchObject({ looked: FILES, worthIt: FILES / 3 });
});

it('a server that fails in the middle of a page', async () => {
  const walk = walks(flaky((name, nth) => name === 'metadata.readLists' && nth === 10));
  await walk.look(FS.fsId, signal);
  await expect(walk.look(FS.fsId, signal)).rejects.toMatchObject({ code: 'metadata-unavailable' });
  expect(await lookAtAll(walk)).toMatchObject({ looked: FILES, worthIt: FILES / 3 });
});

it('a server that came back as another', async () => {
  const walk = walks(flaky(() => false));
  await walk.look(FS.fsId, signal);
  world.metadata.incarnation++;
  expect(await lookAtAll(walk)).toMatchObject({ looked: FILES, worthIt: FILES / 3 });
});
