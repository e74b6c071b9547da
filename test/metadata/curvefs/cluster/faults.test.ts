/**
 * The CurveFS adapter on a cluster in trouble, over sockets: every status that a metaserver may answer with, answers that
 * are lost after the effect, leaders that move, servers that never answer, MDS that die.
 * A read gets through or says why not; a commit takes effect at most once, and what hears of it is true (I5, I6).
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CurvefsMetadata } from '../../../../src/metadata/curvefs/curvefs.ts';
import { COMMIT_VERSIONS_MAX } from '../../../../src/metadata/port.ts';
import { planChunk, replacementList, withFencingId } from '../../../../src/plan/index.ts';
import { eventually } from '../../../queue/world.ts';
import { type CurvefsWorld, curvefsWorld } from '../../curvefs-world.ts';
import { AFTER, ATTEMPT, FILESYSTEM, INODE, KEY, REQUEST, version, versions } from '../../world.ts';
import type { FaultRule } from './faults.ts';
import { Gate } from './faults.ts';
import {
  COPYSET_NOTEXIST,
  OVERLOAD,
  PARTITION_DELETING,
  PARTITION_ID_MISSMATCH,
  PARTITION_NOT_FOUND,
  REDIRECTED,
  TX_KEY_LOCKED,
} from './metaserver.ts';
import { STORAGE_INTERNAL_ERROR } from './records.ts';

const MODIFY = 'GetOrModifyS3ChunkInfo';
const EOVERCROWDED = 1011;
const ELOGOFF = 2003;
const ELIMIT = 2004;
let world: CurvefsWorld;

beforeEach(async () => {
  world = await curvefsWorld({ timeoutMs: 5_000 });
  await world.putFilesystem(FILESYSTEM);
  await world.putInode(INODE);
  await world.append(KEY, 3, versions(0, 6));
});
afterEach(() => world.close());

const read = async () => (await world.store.readChunk(KEY, 3, 10)).versions;
const list = () => world.list(KEY, 3);
/** One with another time-out; its caller closes it. */
const storeOf = (timeoutMs: number): CurvefsMetadata =>
  new CurvefsMetadata({ mds: world.cluster.mds.map(({ port }) => ({ host: '127.0.0.1', port })), timeoutMs });
const fault = (rule: FaultRule): void => world.cluster.faults.add(rule);

describe('a read gets through', () => {
  it.each([
    ['REDIRECTED', { status: REDIRECTED }],
    ['OVERLOAD', { status: OVERLOAD }],
    ['COPYSET_NOTEXIST', { status: COPYSET_NOTEXIST }],
    ['PARTITION_NOT_FOUND', { status: PARTITION_NOT_FOUND }],
    ['TX_KEY_LOCKED', { status: TX_KEY_LOCKED }],
    ['EOVERCROWDED', { error: EOVERCROWDED }],
    ['ELOGOFF', { error: ELOGOFF }],
    ['ELIMIT', { error: ELIMIT }],
    ['a cut connection', 'cut'],
  ] as const)('after %s, twice', async (_, instead) => {
    fault({ method: 'GetInode', instead, times: 2 });
    expect(await read()).toEqual(versions(0, 6));
    expect(world.cluster.faults.struck).toBe(2);
  });

  it('while no leader is known, once one is elected', async () => {
    const copyset = world.cluster.copyset(world.cluster.state.partitionOf(KEY).copysetId);
    const leader = copyset.leader;
    copyset.leader = null;
    const reading = read();
    await eventually('somebody is asked', async () => world.cluster.calls('GetLeader') > 2);
    copyset.leader = leader;
    expect(await reading).toEqual(versions(0, 6));
  });

  it('when the leader has moved to a server that the MDS does not know of yet', async () => {
    await read();
    for (let n = 0; n < 5; n++) {
      world.cluster.moveAllLeaders();
      expect(await read()).toEqual(versions(0, 6));
    }
  });

  it('when the leader stops answering and another is elected: for one time-out, not for the whole call', async () => {
    await read();
    const frozen = world.cluster.leaderOf(KEY.fsId, KEY.inodeId);
    frozen.frozen = true;
    const startedMs = performance.now();
    const reading = read();
    await eventually(
      'it is asked',
      async () => (frozen.calls.get('curvefs.metaserver.MetaServerService/GetInode') ?? 0) > 1,
    );
    world.cluster.moveAllLeaders();
    expect(await reading).toEqual(versions(0, 6));
    expect(performance.now() - startedMs).toBeLessThan(60_000);
  });

  it('and where nobody ever answers, it says so in time and as something to try again', async () => {
    for (const server of world.cluster.metaservers) server.frozen = true;
    const store = storeOf(1_500);
    const startedMs = performance.now();
    const unavailable = { kind: 'retry', code: 'metadata-unavailable' };
    await expect(store.readChunk(KEY, 3, 10)).rejects.toMatchObject(unavailable);
    expect(performance.now() - startedMs).toBeLessThan(60_000);
    await store.close();
  });

  it('when an MDS dies and another is promoted, also for who has never asked before', async () => {
    await world.cluster.killMds();
    const fresh = storeOf(5_000);
    const reading = fresh.readChunk(KEY, 3, 10);
    await world.cluster.promoteMds();
    expect((await reading).versions).toEqual(versions(0, 6));
    expect(await world.store.getFilesystem(7)).toMatchObject({ bucket: FILESYSTEM.bucket });
    await fresh.close();
  });

  it('with 64 inodes in flight over one connection', async () => {
    const keys = Array.from({ length: 64 }, (_, n) => ({ fsId: 7, inodeId: 1000n + BigInt(n) }));
    for (const key of keys) {
      await world.putInode({ ...INODE, key });
      await world.append(key, 3, [version(Number(key.inodeId))]);
    }
    await read();
    const found = await Promise.all(keys.map((key) => world.store.readChunk(key, 3, 10)));
    expect(found.map((one) => one.versions)).toEqual(keys.map(({ inodeId }) => [version(Number(inodeId))]));
    expect(world.cluster.leaderOf(7, 1000n).connections).toBe(1);
  });
});

describe('a commit', () => {
  it.each([
    ['OVERLOAD', { status: OVERLOAD }],
    ['COPYSET_NOTEXIST', { status: COPYSET_NOTEXIST }],
    ['PARTITION_NOT_FOUND', { status: PARTITION_NOT_FOUND }],
    ['TX_KEY_LOCKED', { status: TX_KEY_LOCKED }],
    ['EOVERCROWDED', { error: EOVERCROWDED }],
  ] as const)('that %s has kept from beginning is sent again', async (_, instead) => {
    fault({ method: MODIFY, instead });
    expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    expect(await list()).toEqual(AFTER);
    expect(world.cluster.state.commits).toHaveLength(1);
  });

  it.each([
    ['REDIRECTED by one that has stepped down with it', { reply: { status: REDIRECTED } }, true],
    ['a connection that is cut after the effect', { reply: 'cut' }, true],
    ['a connection that is cut before it', { instead: 'cut' }, false],
    ['silence after the effect', { reply: 'silence' }, true],
    ['silence instead of it', { instead: 'silence' }, false],
    ['REDIRECTED before it', { instead: { status: REDIRECTED } }, false],
  ] as const)('I6: %s is unknown, and is not sent again', async (_, strike, applied) => {
    fault({ method: MODIFY, ...strike });
    const store = storeOf(1_000);
    expect(await store.commit(REQUEST)).toMatchObject({ outcome: 'unknown' });
    expect(await list()).toEqual(applied ? AFTER : versions(0, 6));
    expect(world.cluster.calls(MODIFY)).toBe(1);
    await store.close();
  });

  it.each([
    ['PARTITION_ID_MISSMATCH', PARTITION_ID_MISSMATCH],
    ['PARTITION_DELETING', PARTITION_DELETING],
  ])('that is answered with %s is refused, with nothing changed', async (_, status) => {
    fault({ method: MODIFY, instead: { status } });
    await expect(world.store.commit(REQUEST)).rejects.toMatchObject({ kind: 'halt', code: 'metadata-refused' });
    expect(await list()).toEqual(versions(0, 6));
  });

  it.each([
    [
      'with a merged version of its own is known by it',
      [version(90, { chunkId: 0n, compaction: ATTEMPT << 12n })],
      'committed',
    ],
    ['without one stays unknown: somebody else may have made that list', [version(3)], 'unknown'],
  ])('I6: answered with an internal error although it was applied, one %s', async (_, replacement, outcome) => {
    fault({ method: MODIFY, reply: { status: STORAGE_INTERNAL_ERROR } });
    const request = { ...REQUEST, attempt: ATTEMPT << 12n, replacement };
    expect(await world.store.commit(request)).toMatchObject({ outcome });
    expect(await list()).toEqual([...replacement, version(4), version(5)]);
    expect(world.cluster.calls(MODIFY)).toBe(1);
  });

  it.each([
    ['the trash has deleted the inode since the look', () => world.cluster.state.tables.delete(KEY), 'missing'],
    ['nothing was deleted', () => undefined, undefined],
  ])('looks once more after it was applied: %s', async (_, onStrike, reason) => {
    fault({ method: MODIFY, onStrike, change: (response) => response });
    const expected = reason === undefined ? { outcome: 'committed' } : { outcome: 'stale', reason };
    expect(await world.store.commit(REQUEST)).toEqual(expected);
    expect(world.cluster.faults.struck).toBe(1);
  });

  it('stays committed where that look fails', async () => {
    await world.store.getInode(KEY);
    fault({ method: 'BatchGetInodeAttr', instead: 'silence', times: 100 });
    const store = storeOf(1_000);
    expect(await store.commit(REQUEST)).toEqual({ outcome: 'committed' });
    await store.close();
  });

  it('is not sent for an inode that is being deleted, whatever its links say', async () => {
    const fields = world.cluster.state.tables.inode(KEY);
    if (fields === undefined) throw new Error('it was just made');
    world.cluster.state.tables.put(KEY, { ...fields, nlink: 1, dtime: 1n });
    expect(await world.store.begin(KEY)).toBe('unlinked');
    expect(await world.store.commit(REQUEST)).toEqual({ outcome: 'stale', reason: 'unlinked' });
    expect((await world.store.readChunk(KEY, 3, 10)).inode?.nlink).toBe(0);
    expect(world.cluster.calls(MODIFY)).toBe(0);
  });

  it('that arrives after another one took effect is a conflict: the ids keep it out', async () => {
    const gate = new Gate();
    fault({ method: MODIFY, before: gate.opened });
    world.cluster.state.tables.setCounter(KEY, 1_000);
    const late = world.store.commit({
      ...REQUEST,
      replaced: versions(0, 6),
      replacement: [version(50, { chunkId: 0n })],
    });
    await eventually('it is on its way', async () => world.cluster.faults.struck === 1);
    await world.append(KEY, 3, [version(6)]);
    // As a later attempt does it: with an id below all that it replaces.
    world.cluster.state.tables.modify(
      { fsId: 7, inodeId: 42n },
      {
        add: new Map([[3n, [{ ...wire(version(60)), chunkId: 0n }]]]),
        remove: world.cluster.state.tables.lists(KEY),
      },
    );
    gate.open();
    expect(await late).toEqual({ outcome: 'conflict' });
    expect((await list()).map(({ len }) => len)).toEqual([version(60).len]);
  });

  it('I1: a list that came with a length older than itself is read as it is; nobody trims by one look', async () => {
    world.cluster.state.tear = () => {
      world.cluster.state.tables.update(KEY, { length: 900n }, new Map([[3n, [wire(version(6))]]]));
    };
    const torn = await world.store.readChunk(KEY, 3, 10);
    expect({ length: torn.inode?.length, count: torn.versionsTotal }).toEqual({ length: 640, count: 7 });
    expect((await world.store.readChunk(KEY, 3, 10)).inode?.length).toBe(900);
    const commit = { ...REQUEST, replaced: versions(0, 7), requiredLength: 640 };
    expect(await world.store.commit(commit)).toEqual({ outcome: 'stale', reason: 'length' });
  });

  it('of 50,000 versions is read, planned and made, while the leader moves', async () => {
    const count = 50_000;
    // The messages are large: a busy machine needs seconds for each.
    const store = storeOf(60_000);
    const geometry = { blockSize: 4_194_304, chunkSize: 67_108_864 };
    const pieces = Array.from({ length: count }, (_, n) => ({
      chunkId: 1_000_000n + BigInt(n),
      compaction: 0n,
      offset: n * 1_000,
      len: 1_500,
      size: 1_500,
      zero: false,
    }));
    await world.append(KEY, 0, pieces);
    const { versions: found, versionsTotal } = await store.readChunk(KEY, 0, COMMIT_VERSIONS_MAX);
    expect(versionsTotal).toBe(count);
    const decision = planChunk({
      geometry,
      chunkIndex: 0,
      versions: found,
      length: count * 1_000 + 500,
      policy: { fragmentThreshold: 20, readGapBytes: 0 },
    });
    if (decision.kind !== 'plan') throw new Error(`the planner says ${decision.kind}`);
    const plan = withFencingId(decision.plan, new Set());
    world.cluster.moveAllLeaders();
    const replacement = replacementList(plan, ATTEMPT << 12n);
    const request = { key: KEY, chunkIndex: 0, attempt: ATTEMPT << 12n, replaced: plan.replaced, replacement };
    expect(await store.commit(request)).toEqual({ outcome: 'committed' });
    expect(await world.list(KEY, 0)).toEqual(replacement);
    expect(replacement.length).toBeLessThan(10);
    await store.close();
  });
});

function wire(one: ReturnType<typeof version>) {
  return { ...one, offset: BigInt(one.offset), len: BigInt(one.len), size: BigInt(one.size) };
}
