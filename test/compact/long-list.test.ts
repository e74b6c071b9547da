/** A list that is longer than one commit may replace goes prefix by prefix, and each run gets somewhere (I8). */
import { expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { AttemptIds } from '../../src/compact/attempt.ts';
import { type CompactResult, compactInode } from '../../src/compact/compact-inode.ts';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import { COMMIT_VERSIONS_MAX } from '../../src/metadata/port.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import type { ObjectStore, ObjectStores } from '../../src/objects/port.ts';
import { readCost } from '../../src/plan/index.ts';
import { LedgerState, MemoryLedger } from '../sim/memory-ledger.ts';
import { MetadataState } from '../sim/memory-metadata.ts';
import { RecordState } from '../sim/record-metadata.ts';
import { FORMS } from '../sim/scenes.ts';
import { LIMITS } from '../sim/world.ts';

const KEY = { fsId: 1, inodeId: 1n };
const GEOMETRY = { blockSize: 4 << 20, chunkSize: 64 << 20 };
const VERSIONS = 150_000;

function storesThat(getRange: ObjectStore['getRange']): ObjectStores {
  return {
    forFilesystem: () => ({
      getRange,
      getWhole: async () => 0,
      putIfAbsent: async () => 'created',
      head: async () => null,
      list: async () => ({ objects: [], more: false }),
      delete: async () => [],
    }),
    close: () => undefined,
  };
}

function run(
  state: MetadataState,
  getRange: ObjectStore['getRange'] = async () => undefined,
  ledger = new MemoryLedger(new LedgerState()),
): Promise<CompactResult> {
  return compactInode(
    KEY,
    {
      metadata: state.connect(),
      objects: storesThat(getRange),
      ledger,
      clock: systemClock,
      memory: new MemoryBudget(64 << 20),
      attemptIds: new AttemptIds(),
    },
    {
      limits: { ...LIMITS, policy: { fragmentThreshold: 20, readGapBytes: 4096 }, bytesMax: 2 ** 40, requestsMax: 1e7 },
    },
  );
}

function prepared(state: MetadataState, length: number): void {
  state.filesystems.set(1, { fsId: 1, uuid: 'u', name: 'n', bucket: 'b', objectPrefix: 0, ...GEOMETRY });
  state.put({ key: KEY, length, nlink: 1, mtimeMs: 0, type: 's3' });
}

it('150,000 appends of 400 bytes', async () => {
  const state = new MetadataState();
  const length = VERSIONS * 400;
  prepared(state, length);
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

/** The first block of the chunk in 100,000 pieces, then all but its first 4 KiB is written over, piece by piece. */
const PIECE = 41;
const LAST_SEEN = 4096;

function overwritten(): S3ChunkInfo[] {
  const version = (n: number, offset: number, len: number): S3ChunkInfo => {
    return { chunkId: BigInt(1_000_000 + n), compaction: 0n, offset, len, size: len, zero: false };
  };
  const pieces = Array.from({ length: COMMIT_VERSIONS_MAX }, (_, n) => version(n, n * PIECE, PIECE));
  const parts = 4096;
  const size = GEOMETRY.blockSize / parts;
  const over = Array.from({ length: parts - LAST_SEEN / size }, (_, n) => {
    return version(COMMIT_VERSIONS_MAX + n, LAST_SEEN + n * size, size);
  });
  return [...pieces, ...over];
}

it.each(FORMS)('%s: what later versions hide of the head is not read, and may be missing', async (form) => {
  const state = form === 'fenced' ? new MetadataState() : new RecordState();
  prepared(state, GEOMETRY.chunkSize);
  const versions = overwritten();
  if (state instanceof RecordState) for (const version of versions) state.append(KEY, 0, version);
  else state.at(KEY)?.lists.set(0, versions);
  const ids = new Set<string>();
  let reads = 0;
  const getRange: ObjectStore['getRange'] = async (name) => {
    reads++;
    ids.add(name.split('_')[2] ?? '');
  };
  const result = await run(state, getRange);
  expect(result).toMatchObject({ outcome: 'compacted', chunksCompacted: 1, chunksLeft: 1 });
  // As many pieces as begin within the bytes that are seen; of 100,000.
  const seen = Math.ceil(LAST_SEEN / PIECE);
  expect(reads).toBe(seen);
  expect([...ids]).toEqual(Array.from({ length: seen }, (_, n) => `${1_000_000 + n}`));
  expect(result.cost.readBytes).toBe(LAST_SEEN);
  const list = state.at(KEY)?.lists.get(0) ?? [];
  expect(list).toHaveLength(1 + versions.length - COMMIT_VERSIONS_MAX);
  expect(list[0]).toMatchObject({ offset: 0, len: LAST_SEEN });
});

it('I5: where what hid the head is lost before the commit, nothing is committed', async () => {
  const state = new MetadataState();
  prepared(state, GEOMETRY.chunkSize);
  const versions = overwritten();
  const lists = state.at(KEY)?.lists;
  lists?.set(0, versions);
  // A server that forgot its last append, and took another one.
  const other = { ...versions[0], chunkId: 9_000_000n } as S3ChunkInfo;
  const result = await run(state, async () => {
    lists?.set(0, [...versions.slice(0, -1), other]);
  });
  expect(result).toMatchObject({ outcome: 'conflict', chunksCompacted: 0 });
  expect(lists?.get(0)).toEqual([...versions.slice(0, -1), other]);
});
