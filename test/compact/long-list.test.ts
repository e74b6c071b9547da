/** A list that is longer than one commit may replace goes prefix by prefix, and each run gets somewhere (I8). */
import { expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { AttemptIds } from '../../src/compact/attempt.ts';
import { type CompactResult, compactInode } from '../../src/compact/compact-inode.ts';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import { COMMIT_VERSIONS_MAX } from '../../src/metadata/port.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import type { ObjectStores } from '../../src/objects/port.ts';
import { readCost } from '../../src/plan/index.ts';
import { LedgerState, MemoryLedger } from '../sim/memory-ledger.ts';
import { MemoryMetadata, MetadataState } from '../sim/memory-metadata.ts';
import { LIMITS } from '../sim/world.ts';

const KEY = { fsId: 1, inodeId: 1n };
const GEOMETRY = { blockSize: 4 << 20, chunkSize: 64 << 20 };
const VERSIONS = 150_000;

const stores: ObjectStores = {
  forFilesystem: () => ({
    getRange: async () => undefined,
    putIfAbsent: async () => 'created',
    head: async () => null,
    list: async () => ({ objects: [], more: false }),
    delete: async () => [],
  }),
  close: () => undefined,
};

function run(state: MetadataState): Promise<CompactResult> {
  return compactInode(
    KEY,
    {
      metadata: new MemoryMetadata(state),
      objects: stores,
      ledger: new MemoryLedger(new LedgerState()),
      clock: systemClock,
      memory: new MemoryBudget(64 << 20),
      attemptIds: new AttemptIds(),
    },
    {
      limits: { ...LIMITS, policy: { fragmentThreshold: 20, readGapBytes: 4096 }, bytesMax: 2 ** 40, requestsMax: 1e7 },
    },
  );
}

it('150,000 appends of 400 bytes', async () => {
  const state = new MetadataState();
  state.filesystems.set(1, { fsId: 1, uuid: 'u', name: 'n', bucket: 'b', objectPrefix: 0, ...GEOMETRY });
  const length = VERSIONS * 400;
  state.put({ key: KEY, length, nlink: 1, mtimeMs: 0, type: 's3' });
  const versions: S3ChunkInfo[] = Array.from({ length: VERSIONS }, (_, n) => {
    return { chunkId: BigInt(n + 1), compaction: 0n, offset: n * 400, len: 400, size: 400, zero: false };
  });
  state.at(KEY)?.lists.set(0, versions);
  const list = () => state.at(KEY)?.lists.get(0) ?? [];

  const first = await run(state);
  expect(first).toMatchObject({ outcome: 'compacted', chunksCompacted: 1, chunksLeft: 1 });
  expect(first.gain.versionsBefore).toBe(COMMIT_VERSIONS_MAX);
  expect(list().length).toBeLessThan(VERSIONS - COMMIT_VERSIONS_MAX + 20);
  // What was not read is untouched, on top.
  expect(list().at(-1)).toEqual(versions.at(-1));

  const second = await run(state);
  expect(second).toMatchObject({ outcome: 'compacted', chunksLeft: 0 });
  expect(list().length).toBeLessThan(20);
  expect(readCost({ geometry: GEOMETRY, chunkIndex: 0, versions: list(), length })).toMatchObject({ gets: 15 });
  expect((await run(state)).outcome).toBe('nothing');
});
