/**
 * How the head of a long list is read (docs/adr/0013): parts that may not be of one list hide nothing, memory does not
 * grow with the list, and the end of it is bounded (I8).
 */
import { describe, expect, it } from 'vitest';
import type { ReadHeadOptions } from '../../src/compact/long-list.ts';
import { protocolOf } from '../../src/compact/protocol.ts';
import { type ChunkSnapshot, COMMIT_VERSIONS_MAX, type CommitForm } from '../../src/metadata/port.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import { OK } from '../metadata/curvefs/cluster/records.ts';
import { toVersion } from '../metadata/curvefs/cluster/writer.ts';
import { Boundary } from '../sim/boundary.ts';
import { RecordState } from '../sim/record-metadata.ts';
import { FORMS, fragmentedWorld } from '../sim/scenes.ts';
import { KEY } from '../sim/world.ts';

const FILESYSTEM = { blockSize: 4, chunkSize: 64 };
const INODE = { key: KEY, length: 64, nlink: 1, mtimeMs: 0, type: 's3', attempt: 7n };

function version(n: number): S3ChunkInfo {
  return { chunkId: BigInt(n + 1), compaction: 0n, offset: n % 64, len: 1, size: 1, zero: false };
}

function versions(from: number, to: number): S3ChunkInfo[] {
  return Array.from({ length: to - from }, (_, n) => version(from + n));
}

function readHead(
  key: typeof KEY,
  chunkIndex: number,
  options: ReadHeadOptions & { readonly metadata: { readonly commitForm: CommitForm } },
) {
  return protocolOf(options.metadata).readHead(key, chunkIndex, options);
}

/** A list of ten versions, which is what `changed` makes of it from the second read on. */
function storeOf(changed: (snapshot: ChunkSnapshot) => ChunkSnapshot, commitForm: CommitForm = 'fenced') {
  let reads = 0;
  return {
    commitForm,
    readChunk: async (_key: unknown, _chunk: number, versionsMax: number, from = 0): Promise<ChunkSnapshot> => {
      const part = { inode: INODE, versions: versions(from, Math.min(10, from + versionsMax)), versionsTotal: 10 };
      return reads++ === 0 ? part : changed(part);
    },
  };
}

const ABOVE = { extents: [{ offset: 4, len: 6 }], last: { position: 9, version: version(9) } };

describe('a list that is longer than its head', () => {
  it.each(['fenced', 'time-bound'] as const)('%s: comes with what the rest covers', async (form) => {
    const head = await readHead(KEY, 0, {
      metadata: storeOf((part) => part, form),
      filesystem: FILESYSTEM,
      versionsMax: 4,
    });
    expect(head).toEqual({ inode: INODE, versions: versions(0, 4), versionsTotal: 10, above: ABOVE });
  });

  it('time-bound: is read at once, since nothing proves that two reads saw one list', async () => {
    const metadata = storeOf(() => expect.fail('a second read'), 'time-bound');
    await readHead(KEY, 0, { metadata, filesystem: FILESYSTEM, versionsMax: 4 });
  });

  it('what was appended meanwhile is not looked at', async () => {
    const metadata = storeOf((part) => ({ ...part, versionsTotal: 12 }));
    const head = await readHead(KEY, 0, { metadata, filesystem: FILESYSTEM, versionsMax: 4 });
    expect(head.above).toEqual(ABOVE);
  });

  it.each<[string, (part: ChunkSnapshot) => ChunkSnapshot]>([
    ['another fence', (part) => ({ ...part, inode: { ...INODE, attempt: 8n } })],
    [
      'no fence',
      ({ inode: _, ...part }) => ({ ...part, inode: { key: KEY, length: 64, nlink: 1, mtimeMs: 0, type: 's3' } }),
    ],
    ['no inode', (part) => ({ ...part, inode: null })],
    ['fewer versions', (part) => ({ ...part, versionsTotal: 9 })],
    ['a part that is cut short', (part) => ({ ...part, versions: part.versions.slice(1) })],
  ])('I1: with %s between the reads, nothing counts as hidden', async (_, changed) => {
    const metadata = storeOf(changed);
    const head = await readHead(KEY, 0, { metadata, filesystem: FILESYSTEM, versionsMax: 4 });
    expect(head).toEqual({ inode: INODE, versions: versions(0, 4), versionsTotal: 10 });
  });
});

it.each(FORMS)('%s: I5: where what hid the head is lost before the commit, nothing is committed', async (form) => {
  const world = fragmentedWorld(form);
  type Lists = readonly (readonly [index: number, versions: readonly S3ChunkInfo[]])[];
  const before: Lists = [...world.lists()];
  const left: Lists = before.map(([index, list]) => [index, list.slice(0, -1)]);
  const { metadata } = world;
  // The look that a time-bound store takes right before its commit is a read.
  const late = form === 'fenced' ? 'metadata.commit' : 'metadata.readChunk';
  let lost = false;
  const loses = new Boundary(undefined, (name) => {
    if (lost || name !== late || !loses.crossings.includes('objects.put')) return;
    lost = true;
    if (metadata instanceof RecordState) {
      const records = (lists: Lists) => new Map(lists.map(([index, list]) => [BigInt(index), list.map(toVersion)]));
      expect(metadata.tables.modify(KEY, { add: records(left), remove: records(before) })).toBe(OK);
    } else for (const [index, list] of left) metadata.at(KEY)?.lists.set(index, [...list]);
  });
  const result = await world.compact(loses, { ...world.limits, versionsMax: 4, chunksMax: 1 });
  expect(lost).toBe(true);
  expect(result).toMatchObject({ outcome: 'conflict', chunksCompacted: 0 });
  expect([...world.lists()]).toEqual(left);
});

it('I8: of six million versions five are looked at, 100,000 at a time', async () => {
  const asked: [from: number, count: number][] = [];
  // One part for all: what is measured is how much is asked for.
  const part = versions(0, COMMIT_VERSIONS_MAX);
  const metadata = {
    commitForm: 'fenced' as const,
    readChunk: async (_key: unknown, _chunk: number, count: number, from = 0): Promise<ChunkSnapshot> => {
      asked.push([from, count]);
      return { inode: INODE, versions: part, versionsTotal: 6_000_000 };
    },
  };
  const head = await readHead(KEY, 0, { metadata, filesystem: FILESYSTEM });
  expect(asked.map(([from]) => from)).toEqual(Array.from({ length: 50 }, (_, n) => n * 100_000));
  expect(new Set(asked.map(([, count]) => count))).toEqual(new Set([100_000]));
  expect(head.versionsTotal).toBe(6_000_000);
  expect(head.above).toMatchObject({ extents: [{ offset: 0, len: 64 }], last: { position: 4_999_999 } });
});
