/** commit: what hears of a commit whose answer was lost is what became of it (I6), and the lease before it. */

import { beforeEach, describe, expect, it } from 'vitest';
import { Attempt } from '../../src/compact/attempt.ts';
import { type CommitDeps, commitChunk } from '../../src/compact/commit.ts';
import { LATE_COMMIT_SKEW_MS, protocolOf } from '../../src/compact/protocol.ts';
import type { CommitRequest, MetadataStore } from '../../src/metadata/port.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import { ledgerMs } from '../../src/time.ts';
import { Boundary, type CallEnding } from '../sim/boundary.ts';
import { MemoryMetadata } from '../sim/memory-metadata.ts';
import { KEY, World } from '../sim/world.ts';

const ATTEMPT = 4096n;
const OTHER = 8192n;
const COMMIT_TIMEOUT_MS = 1_000;
let world: World;

beforeEach(async () => {
  world = new World();
  world.write(0, 10);
  world.write(4, 4);
  // Only lists are of interest here: the merged version has no object.
  world.metadata.onChange = undefined;
  await new MemoryMetadata(world.metadata).begin(KEY, ATTEMPT);
});

function merged(attempt: bigint): S3ChunkInfo {
  return { chunkId: 1n, compaction: attempt, offset: 0, len: 10, size: 10, zero: false };
}

function requestOf(attempt: bigint, replacement: readonly S3ChunkInfo[]): CommitRequest {
  return { key: KEY, chunkIndex: 0, attempt, replaced: [...(world.lists().get(0) ?? [])], replacement };
}

function commit(request: CommitRequest, metadata: MetadataStore, leaseMs = 60_000) {
  const clock = world.clock(new Boundary());
  const startedAtMs = clock.monotonicMs();
  const attempt = new Attempt({
    id: ATTEMPT,
    key: KEY,
    clock,
    startedAtMs,
    leaseMs,
    dueMs: ledgerMs(Number(startedAtMs) + leaseMs),
    incarnation: 'life-1',
  });
  const deps: CommitDeps = { metadata, clock, commitTimeoutMs: COMMIT_TIMEOUT_MS };
  return commitChunk(request, attempt, { ...deps, resolve: protocolOf(metadata).resolve });
}

/** A store that answers the first commit with `unknown`, after `meanwhile`, which sees the request. */
function losing(meanwhile: (request: CommitRequest) => unknown): MemoryMetadata {
  const metadata = new MemoryMetadata(world.metadata);
  metadata.commit = async (request) => {
    await meanwhile(request);
    return { outcome: 'unknown', cause: new Error('no answer') };
  };
  return metadata;
}

describe('I6: a commit whose answer was lost', () => {
  it.each([
    ['fails-after', 'committed'],
    ['fails-before', 'conflict'],
  ] as const)('%s is reported as %s, and the fence is gone', async (ending: CallEnding, outcome) => {
    const request = requestOf(ATTEMPT, [merged(ATTEMPT)]);
    const told = await commit(request, new MemoryMetadata(world.metadata, new Boundary({ at: 0, ending })));
    expect(told).toMatchObject({ outcome: { outcome }, fenceCleared: true });
    expect(world.lists().get(0)).toEqual(outcome === 'committed' ? request.replacement : request.replaced);
    expect(world.metadata.at(KEY)?.inode.attempt).toBeUndefined();
  });

  it('and that arrives right after the list was read back does nothing', async () => {
    const request = requestOf(ATTEMPT, [merged(ATTEMPT)]);
    const metadata = losing(() => undefined);
    const readChunk = metadata.readChunk.bind(metadata);
    let reads = 0;
    metadata.readChunk = async (...args) => {
      const seen = await readChunk(...args);
      // Once while the fence may stand, once when it is gone.
      if (++reads === 2) await new MemoryMetadata(world.metadata).commit(request);
      return seen;
    };
    expect(await commit(request, metadata)).toMatchObject({ outcome: { outcome: 'conflict' } });
    expect(world.lists().get(0)).toEqual(request.replaced);
  });

  it('stays unknown where somebody else has replaced the list, which starts with an empty replacement anyway', async () => {
    const metadata = losing(async () => {
      const other = new MemoryMetadata(world.metadata);
      await other.begin(KEY, OTHER);
      expect(await other.commit(requestOf(OTHER, [merged(OTHER)]))).toEqual({ outcome: 'committed' });
    });
    expect(await commit(requestOf(ATTEMPT, []), metadata)).toMatchObject({ outcome: { outcome: 'unknown' } });
  });

  it('of an empty replacement stays unknown where somebody else came right after the fence was cleared', async () => {
    const metadata = losing(() => undefined);
    const clearFence = metadata.clearFence.bind(metadata);
    metadata.clearFence = async (...args) => {
      const stood = await clearFence(...args);
      const other = new MemoryMetadata(world.metadata);
      await other.begin(KEY, OTHER);
      expect(await other.commit(requestOf(OTHER, []))).toEqual({ outcome: 'committed' });
      return stood;
    };
    expect(await commit(requestOf(ATTEMPT, []), metadata)).toMatchObject({ outcome: { outcome: 'unknown' } });
  });

  it('of an empty replacement is reported by the fence that still stood', async () => {
    const metadata = losing((request) => new MemoryMetadata(world.metadata).commit(request));
    expect(await commit(requestOf(ATTEMPT, []), metadata)).toMatchObject({ outcome: { outcome: 'committed' } });
  });

  it('is reported by a merged version above a kept one, although another attempt has taken the fence since', async () => {
    const metadata = losing(async (request) => {
      await new MemoryMetadata(world.metadata).commit(request);
      await new MemoryMetadata(world.metadata).begin(KEY, OTHER);
    });
    const { replaced } = requestOf(ATTEMPT, []);
    const request = requestOf(ATTEMPT, [...replaced.slice(0, 1), merged(ATTEMPT)]);
    expect(await commit(request, metadata)).toMatchObject({ outcome: { outcome: 'committed' } });
  });

  it('stays unknown when nobody can be asked until the lease ends', async () => {
    const metadata = losing(() => undefined);
    let asked = 0;
    metadata.clearFence = async () => {
      asked++;
      throw new Error('away');
    };
    const told = await commit(requestOf(ATTEMPT, [merged(ATTEMPT)]), metadata);
    expect(told).toMatchObject({ outcome: { outcome: 'unknown' }, fenceCleared: false });
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(30);
  });
});

describe('a time-bound store, which keeps no fence', () => {
  /** The first commit is lost; nothing is fenced, and nobody may look at a fence. */
  function unfenced(meanwhile: (request: CommitRequest) => unknown): MetadataStore {
    const metadata = losing(meanwhile);
    const clearFence = () => Promise.reject(new Error('there is no fence'));
    return Object.assign(metadata, { commitForm: 'time-bound' as const, clearFence });
  }

  /** What the server makes of it. */
  const apply = async (request: CommitRequest): Promise<void> => {
    await new MemoryMetadata(world.metadata).commit(request);
  };

  it('I6: own versions in the list tell that the commit was applied, also when it was late', async () => {
    const request = requestOf(ATTEMPT, [merged(ATTEMPT)]);
    const told = await commit(request, unfenced(apply));
    expect(told).toMatchObject({ outcome: { outcome: 'committed' }, fenceCleared: false });

    const late = requestOf(ATTEMPT, [{ ...merged(ATTEMPT), len: 9 }]);
    const metadata = unfenced(() => undefined);
    const readChunk = metadata.readChunk.bind(metadata);
    let reads = 0;
    metadata.readChunk = async (...args) => {
      if (++reads === 3) await apply(late);
      return readChunk(...args);
    };
    expect(await commit(late, metadata)).toMatchObject({ outcome: { outcome: 'committed' } });
    expect(reads).toBe(3);
  });

  it('I6: a list that looks old tells nothing: it stays unknown, within about one deadline, and the attempt is over', async () => {
    const startedMs = world.ledger.nowMs;
    const told = await commit(
      requestOf(ATTEMPT, [merged(ATTEMPT)]),
      unfenced(() => undefined),
    );
    expect(told).toMatchObject({ outcome: { outcome: 'unknown' }, fenceCleared: true });
    expect(world.ledger.nowMs - startedMs).toBeLessThanOrEqual(COMMIT_TIMEOUT_MS);
  });

  it('a commit without merged versions stays unknown: somebody else may have made the same list', async () => {
    const kept = [...(world.lists().get(0) ?? [])].slice(1);
    expect(await commit(requestOf(ATTEMPT, kept), unfenced(apply))).toMatchObject({ outcome: { outcome: 'unknown' } });
    expect(await commit(requestOf(ATTEMPT, []), unfenced(apply))).toMatchObject({ outcome: { outcome: 'unknown' } });
  });

  it('an inode that is gone by then is stale', async () => {
    const metadata = unfenced(() => world.metadata.inodes.clear());
    const told = await commit(requestOf(ATTEMPT, [merged(ATTEMPT)]), metadata);
    expect(told).toMatchObject({ outcome: { outcome: 'stale', reason: 'missing' } });
  });

  it('I7: the grace period outlasts every commit that may still come', () => {
    const times = { graceMs: 600_000, leaseMs: 3_600_000, commitTimeoutMs: 10_000 };
    expect(protocolOf({ commitForm: 'fenced' }).graceMs(times)).toBe(600_000);
    expect(protocolOf({ commitForm: 'time-bound' }).graceMs(times)).toBe(3_600_000 + 10_000 + LATE_COMMIT_SKEW_MS);
    expect(protocolOf({ commitForm: 'time-bound' }).graceMs({ ...times, graceMs: 9_000_000 })).toBe(9_000_000);
  });
});

it('a commit that might outlast the lease is not sent', async () => {
  let sent = 0;
  const metadata = losing(() => sent++);
  const request = requestOf(ATTEMPT, [merged(ATTEMPT)]);
  await expect(commit(request, metadata, COMMIT_TIMEOUT_MS)).rejects.toMatchObject({ code: 'lease-expired' });
  expect(sent).toBe(0);
});
