/**
 * The stand-in's servers over sockets: they answer, refuse and fail as the facts say (§1). What passes here is what the
 * adapter's tests rest on.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../queue/world.ts';
import { fromHex, GOLDEN } from '../golden.ts';
import { RpcCaller } from './client.ts';
import { CurveCluster } from './cluster.ts';
import { Gate } from './faults.ts';
import { COPYSET_NOTEXIST, PARTITION_ID_MISSMATCH, PARTITION_NOT_FOUND, REDIRECTED } from './metaserver.ts';
import type { Message } from './wire.ts';

const MDS = 'curvefs.mds.MdsService';
const TOPOLOGY = 'curvefs.mds.topology.TopologyService';
const META = 'curvefs.metaserver.MetaServerService';
const CLI = 'curvefs.metaserver.copyset.CliService2/GetLeader';
const TARGET = { poolId: 1, copysetId: 1, partitionId: 1, fsId: 1 };
let cluster: CurveCluster;
const callers: RpcCaller[] = [];

beforeEach(async () => {
  cluster = await CurveCluster.start();
  cluster.addFilesystem({ fsId: 1 });
});
afterEach(async () => {
  for (const caller of callers.splice(0)) caller.close();
  await cluster.close();
});

async function to(port: number): Promise<RpcCaller> {
  const caller = await RpcCaller.open(port);
  callers.push(caller);
  return caller;
}

const metaserver = (n: number): Promise<RpcCaller> => to(cluster.metaservers[n - 1]?.port ?? 0);
const mds = (n: number): Promise<RpcCaller> => to(cluster.mds[n - 1]?.port ?? 0);

describe('MDS', () => {
  it('a follower refuses connections; after a failover the other one answers, and chunkIds have a gap', async () => {
    await expect(mds(2)).rejects.toThrow('ECONNREFUSED');
    const first = await mds(1);
    expect(await first.call(`${MDS}/AllocateS3Chunk`, { fsId: 1, chunkIdNum: 3 })).toMatchObject({ beginChunkId: 1n });
    await cluster.killMds();
    await cluster.promoteMds();
    await expect(mds(1)).rejects.toThrow('ECONNREFUSED');
    const second = await mds(2);
    expect(await second.call(`${MDS}/AllocateS3Chunk`, { fsId: 1 })).toMatchObject({ beginChunkId: 1001n });
  });

  it('tells file systems, partitions and replicas; a copyset that nobody knows ends the whole answer', async () => {
    const caller = await mds(1);
    const { fsInfo } = await caller.call(`${MDS}/ListClusterFsInfo`, {});
    expect(fsInfo).toMatchObject([
      { fsId: 1, rootInodeId: 1n, fsType: 2, detail: { s3Info: { bucketname: 'bucket' } } },
    ]);
    expect(await caller.call(`${MDS}/GetFsInfo`, { fsId: 2 })).toEqual({ statusCode: 3 });
    const { partitionInfoList } = await caller.call(`${TOPOLOGY}/ListPartition`, { fsId: 1 });
    expect(partitionInfoList).toMatchObject([{ partitionId: 1, copysetId: 1, start: 0n, end: 1_048_575n }]);
    const servers = `${TOPOLOGY}/GetMetaServerListInCopysets`;
    const { csInfo } = await caller.call(servers, { PoolId: 1, copysetId: [1, 2] });
    expect((csInfo as Message[]).map(({ csLocs }) => (csLocs as Message[]).length)).toEqual([3, 3]);
    expect(await caller.call(servers, { PoolId: 1, copysetId: [1, 9] })).toMatchObject({ statusCode: 10, csInfo: [] });
  });

  it('a failed AllocateS3Chunk is an error of brpc, since its answer lacks a required field', async () => {
    const caller = await mds(1);
    await expect(caller.call(`${MDS}/AllocateS3Chunk`, { fsId: 9 })).rejects.toMatchObject({ code: 2002 });
  });
});

describe('metaserver', () => {
  it('knows its leader, has none in an election, and knows nothing of other copysets', async () => {
    const caller = await metaserver(2);
    expect(await caller.call(CLI, { poolId: 1, copysetId: 1 })).toMatchObject({
      leader: { address: '10.99.0.1:6800:0' },
    });
    cluster.copyset(1).leader = null;
    await expect(caller.call(CLI, { poolId: 1, copysetId: 1 })).rejects.toMatchObject({ code: 11 });
    const enoent = GOLDEN.find(({ errorCode }) => errorCode !== undefined);
    await expect(caller.call(CLI, { poolId: 1, copysetId: 9 })).rejects.toMatchObject({ code: enoent?.errorCode });
  });

  it.each([
    ['another copyset', { copysetId: 9 }, COPYSET_NOTEXIST],
    ['a copyset that another one leads', { copysetId: 2 }, REDIRECTED],
    ['a partition of another copyset', { partitionId: 7 }, PARTITION_NOT_FOUND],
    ['an inode of another partition', { inodeId: 1_048_576n }, PARTITION_ID_MISSMATCH],
    ['an inode of another file system', { fsId: 2 }, PARTITION_ID_MISSMATCH],
    ['an inode that is not there', { inodeId: 77n }, 3],
  ])('%s', async (_, changes, statusCode) => {
    const caller = await metaserver(1);
    const request = { ...TARGET, inodeId: 1n, ...changes };
    expect(await caller.call(`${META}/GetInode`, request)).toMatchObject({ statusCode });
  });

  it('takes the golden requests, and refuses one without a required field', async () => {
    const caller = await metaserver(1);
    cluster.state.putInode({ fsId: 1, inodeId: 100n });
    const golden = GOLDEN.find(({ name, direction }) => name === 'GetInode' && direction === 'request');
    const reply = await caller.raw(`${META}/GetInode`, fromHex(golden?.hex ?? ''));
    expect(reply.meta.response?.error_code).toBe(0);
    const broken = await caller.raw(`${META}/GetInode`, fromHex('08011001'));
    expect(broken.meta.response?.error_code).toBe(1003);
    const nowhere = await caller.raw(`${META}/getInode`, fromHex(golden?.hex ?? ''));
    expect(nowhere.meta.response?.error_code).toBe(1002);
  });

  it('takes the inode before its lists: a length may be older than what the list has', async () => {
    const caller = await metaserver(1);
    const place = { fsId: 1, inodeId: cluster.state.create(1, 1n, 'torn') };
    const version = { chunkId: 1n, compaction: 0n, offset: 0n, len: 9n, size: 9n, zero: false };
    cluster.state.tear = () => void cluster.state.tables.update(place, { length: 9n }, new Map([[0n, [version]]]));
    const first = await caller.call(`${META}/GetInode`, { ...TARGET, inodeId: place.inodeId });
    expect(first).toMatchObject({ inode: { length: 0n, s3ChunkInfoMap: new Map([[0n, { s3Chunks: [version] }]]) } });
    const second = await caller.call(`${META}/GetInode`, { ...TARGET, inodeId: place.inodeId });
    expect(second).toMatchObject({ inode: { length: 9n } });
  });

  it('a stream that nobody opened fails after the change took effect', async () => {
    const caller = await metaserver(1);
    const s3Chunks = [{ chunkId: 1n, compaction: 0n, offset: 0n, len: 9n, size: 9n, zero: false }];
    const request = { ...TARGET, inodeId: 5n, s3ChunkInfoAdd: new Map([[0n, { s3Chunks }]]) };
    const streamed = { ...request, returnS3ChunkInfoMap: true, supportStreaming: true };
    expect(await caller.call(`${META}/GetOrModifyS3ChunkInfo`, streamed)).toMatchObject({ statusCode: 25 });
    expect(cluster.state.tables.lists({ fsId: 1, inodeId: 5n }).size).toBe(1);
    expect(cluster.state.violations).toHaveLength(1);
  });

  it('one missing inode fails a whole batch of attributes', async () => {
    const caller = await metaserver(1);
    const batch = { ...TARGET, inodeId: [1n, 2n] };
    expect((await caller.call(`${META}/BatchGetInodeAttr`, batch))['attr']).toHaveLength(2);
    const missing = { ...batch, inodeId: [1n, 2n, 77n] };
    expect(await caller.call(`${META}/BatchGetInodeAttr`, missing)).toMatchObject({ statusCode: 3, attr: [] });
  });
});

describe('directories', () => {
  const list = async (page: Message): Promise<string[]> => {
    const caller = await metaserver(1);
    const answer = await caller.call(`${META}/ListDentry`, { ...TARGET, dirInodeId: 1n, ...page });
    return (answer['dentrys'] as Message[]).map(({ name }) => String(name));
  };

  it('come in byte order, a page behind the last name', async () => {
    for (const name of ['b', 'a', 'é', 'z', 'a0', 'Z']) cluster.state.create(1, 1n, name);
    expect(await list({})).toEqual(['.recycle', 'Z', 'a', 'a0', 'b', 'z', 'é']);
    expect(await list({ count: 2, last: 'a' })).toEqual(['a0', 'b']);
    expect(await list({ count: 5, last: 'z' })).toEqual(['é']);
  });

  it('a page of directories only may be short without being the last', async () => {
    for (const name of ['a', 'b', 'c']) cluster.state.create(1, 1n, name);
    cluster.state.create(1, 1n, 'd', { type: 1 });
    expect(await list({ count: 2, last: '.recycle', onlyDir: true })).toEqual([]);
    expect(await list({ count: 9, onlyDir: true })).toEqual(['.recycle', 'd']);
  });

  it('what a rename made or took away is seen by its transaction number', async () => {
    const inodeId = cluster.state.create(1, 1n, 'old');
    cluster.state.dentries.mark({ fsId: 1, parentInodeId: 1n, name: 'old', inodeId, txId: 5n, type: 4 });
    cluster.state.addEntry(1, { parentInodeId: 1n, name: 'new', inodeId, txId: 5n });
    expect(await list({ last: '.recycle' })).toEqual(['old']);
    expect(await list({ last: '.recycle', txId: 4n })).toEqual(['old']);
    expect(await list({ last: '.recycle', txId: 5n })).toEqual(['new']);
  });
});

describe('faults', () => {
  const modify = async (): Promise<Message> => {
    const s3Chunks = [{ chunkId: 1n, compaction: 0n, offset: 0n, len: 9n, size: 9n, zero: false }];
    const caller = await metaserver(1);
    const request = { ...TARGET, inodeId: 5n, s3ChunkInfoAdd: new Map([[0n, { s3Chunks }]]) };
    return caller.call(`${META}/GetOrModifyS3ChunkInfo`, { ...request, returnS3ChunkInfoMap: false });
  };
  const applied = (): boolean => cluster.state.tables.lists({ fsId: 1, inodeId: 5n }).size === 1;
  const method = 'GetOrModifyS3ChunkInfo';

  it('a status or an error instead of the effect, once', async () => {
    cluster.faults.add({ method, instead: { status: 10 } });
    cluster.faults.add({ method, instead: { error: 1011 } });
    expect(await modify()).toMatchObject({ statusCode: 10 });
    await expect(modify()).rejects.toMatchObject({ code: 1011 });
    expect(applied()).toBe(false);
    expect(await modify()).toMatchObject({ statusCode: 0 });
  });

  it('a status, a cut or silence after the effect', async () => {
    cluster.faults.add({ method, reply: { status: REDIRECTED } });
    expect(await modify()).toMatchObject({ statusCode: REDIRECTED });
    expect(applied()).toBe(true);
    cluster.faults.add({ method, reply: 'cut' });
    await expect(modify()).rejects.toThrow('closed');
  });

  it('an effect that comes when a gate opens, to whom it may concern', async () => {
    const gate = new Gate();
    cluster.faults.add({ method, before: gate.opened, reply: 'silence' });
    void modify().catch(() => undefined);
    await eventually('the call arrives', async () => cluster.faults.struck === 1);
    expect(applied()).toBe(false);
    gate.open();
    await eventually('it takes effect', async () => applied());
  });
});
