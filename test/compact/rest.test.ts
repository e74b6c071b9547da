/** What a run is told of ages: the ledger's answer as a mark for the planner, in runs and for those who only look. */
import { expect, it } from 'vitest';
import { AttemptIds } from '../../src/compact/attempt.ts';
import { withRest } from '../../src/compact/choose-chunks.ts';
import type { Filesystem, PlanPolicy } from '../../src/model.ts';
import { ledgerMs } from '../../src/time.ts';
import { restingText } from '../../src/view/words.ts';
import { Boundary } from '../sim/boundary.ts';
import { FILESYSTEM, LIMITS, World } from '../sim/world.ts';

const POLICY: PlanPolicy = { fragmentThreshold: 1, readGapBytes: 0, bytesPerGet: 16, storagePrice: 2 };
const NOW_MS = 1_800_000_000_000;

it('takes what began by then for old, and later attempts for new', async () => {
  const ledger = { oldIds: async () => ({ atMs: ledgerMs(NOW_MS), chunkId: 7n }) };
  const { rest } = await withRest(POLICY, FILESYSTEM, { ledger });
  expect(rest?.chunkId).toBe(7n);
  const attempt = (ms: number, random: number) => new AttemptIds(() => random).next(ledgerMs(ms));
  expect(rest?.compaction).toBeGreaterThan(attempt(NOW_MS - 1, 1023));
  expect(rest?.compaction).toBeLessThanOrEqual(attempt(NOW_MS, 0));
});

it('leaves plans as they are where nothing is known, and says when it only looks', async () => {
  const asked: unknown[] = [];
  const ledger = {
    oldIds: async (filesystem: Filesystem, lookOnly?: boolean) => {
      asked.push([filesystem.uuid, lookOnly]);
      return null;
    },
  };
  expect(await withRest(POLICY, FILESYSTEM, { ledger, lookOnly: true })).toBe(POLICY);
  expect(await withRest(POLICY, FILESYSTEM, { ledger: {} })).toBe(POLICY);
  expect(await withRest(POLICY, FILESYSTEM, { ledger: undefined })).toBe(POLICY);
  expect(asked).toEqual([['u', true]]);
});

it('what is left alone is said with since when, when to come again, and how to do it at once', () => {
  const [afterMs, againMs] = [Date.UTC(2026, 10, 27, 14, 3, 10), Date.UTC(2026, 10, 27, 14, 12)];
  expect(restingText({ chunks: 2, afterMs, againMs })).toBe(
    '2 chunks are worth it once nobody has written there for 4 minutes; they were written or merged after 2026-11-27T14:03:10Z: come again at 2026-11-27T14:12:00Z, or do it now whatever it moves, with --inline --aggressiveness 1GiB',
  );
});

it('a run leaves a file that was written lately, and the next one compacts it when it has come to rest', async () => {
  const world = new World();
  for (let n = 0; n < 4; n++) world.write(4 * n, 4);
  world.ledger.oldIds = { atMs: ledgerMs(0), chunkId: 0n };
  const limits = { ...LIMITS, policy: POLICY };
  const left = await world.compact(new Boundary(), limits);
  expect(left).toMatchObject({ outcome: 'nothing', chunksCompacted: 0, resting: { chunks: 1, afterMs: 0 } });
  expect(left.resting?.againMs).toBeUndefined();
  world.ledger.oldIds = { ...world.ledger.oldIds, againMs: ledgerMs(300_000) };
  expect(await world.compact(new Boundary(), limits)).toMatchObject({ resting: { againMs: 300_000 } });
  world.ledger.oldIds = { atMs: ledgerMs(1), chunkId: 1n << 60n };
  expect(await world.compact(new Boundary(), limits)).toMatchObject({ outcome: 'compacted', chunksCompacted: 1 });
  // Nothing is left for later: the one version that is new now is all there is.
  world.ledger.oldIds = { atMs: ledgerMs(0), chunkId: 0n };
  const nothing = await world.compact(new Boundary(), limits);
  expect(nothing).toMatchObject({ outcome: 'nothing' });
  expect(nothing.resting).toBeUndefined();
});
