/**
 * What the stand-in's MDS answers (facts §1b): file systems, chunkIds, partitions, where the replicas of a copyset are.
 * All MDS share one state; only the leader listens. It changes nothing but the counter of chunkIds.
 */
import { type Methods, RpcFailure } from './server.ts';
import type { ClusterState, Copyset, FilesystemRow, Partition } from './state.ts';
import { POOL_ID, ROOT_INODE } from './state.ts';
import type { Message } from './wire.ts';

/** FSStatusCode, TopoStatusCode. */
const FS_OK = 0;
const FS_NOT_FOUND = 3;
const FS_PARAM_ERROR = 4;
const ALLOCATE_CHUNKID_ERROR = 21;
const TOPO_OK = 0;
const TOPO_COPYSET_NOT_FOUND = 10;
const TOPO_METASERVER_NOT_FOUND = 6;

export interface ServerAddress {
  readonly id: number;
  readonly internalIp: string;
  readonly internalPort: number;
  readonly externalIp: string;
  readonly externalPort: number;
}

/** What clients reach each metaserver by. */
export type Addresses = () => readonly ServerAddress[];

export function mdsMethods(state: ClusterState, addresses: Addresses): Methods {
  const mds = 'curvefs.mds.MdsService';
  const topology = 'curvefs.mds.topology.TopologyService';
  return new Map<string, (request: Message) => Message>([
    [`${mds}/GetFsInfo`, (request) => getFsInfo(state, request)],
    [`${mds}/ListClusterFsInfo`, () => ({ fsInfo: [...state.filesystems.values()].map(fsInfo) })],
    [`${mds}/AllocateS3Chunk`, (request) => allocate(state, request)],
    [`${mds}/GetLatestTxId`, (request) => latestTxIds(state, request)],
    [`${topology}/ListPartition`, (request) => listPartition(state, request)],
    [`${topology}/GetMetaServerListInCopysets`, (request) => serversInCopysets(state, addresses, request)],
    [`${topology}/GetCopysetsInfo`, (request) => copysetsInfo(state, addresses, request)],
    [`${topology}/GetCopysetOfPartition`, (request) => copysetOfPartition(state, addresses, request)],
    [`${topology}/GetMetaServer`, (request) => getMetaServer(addresses, request)],
  ]);
}

function getFsInfo(state: ClusterState, request: Message): Message {
  const { fsId, fsName } = request as { fsId?: number; fsName?: string };
  if (fsId === undefined && fsName === undefined) return { statusCode: FS_PARAM_ERROR };
  const found = [...state.filesystems.values()].find(
    (one) => (fsId === undefined || one.fsId === fsId) && (fsName === undefined || one.name === fsName),
  );
  return found === undefined ? { statusCode: FS_NOT_FOUND } : { statusCode: FS_OK, fsInfo: fsInfo(found) };
}

function fsInfo(row: FilesystemRow): Message {
  const s3Info = {
    ak: row.accessKeyId,
    sk: row.secretAccessKey,
    endpoint: row.endpoint,
    bucketname: row.bucket,
    blockSize: BigInt(row.blockSize),
    chunkSize: BigInt(row.chunkSize),
    objectPrefix: row.objectPrefix,
  };
  const volume = {
    blockSize: 4096n,
    volumeName: 'v',
    user: 'u',
    blockGroupSize: 134_217_728n,
    bitmapLocation: 1,
    sliceSize: 1_073_741_824n,
    autoExtend: false,
  };
  return {
    fsId: row.fsId,
    fsName: row.name,
    status: row.status,
    rootInodeId: ROOT_INODE,
    capacity: 2n ** 64n - 1n,
    blockSize: BigInt(row.blockSize),
    mountNum: 0,
    mountpoints: [],
    fsType: row.fsType,
    detail: row.fsType === 1 ? { volume } : { s3Info },
    enableSumInDir: false,
    owner: 'test',
    recycleTimeHour: 1,
  };
}

function allocate(state: ClusterState, request: Message): Message {
  const { fsId, chunkIdNum = 1 } = request as { fsId: number; chunkIdNum?: number };
  // Without its required field the answer never gets out: brpc tells ERESPONSE instead.
  if (!state.filesystems.has(fsId)) return { statusCode: ALLOCATE_CHUNKID_ERROR };
  return { statusCode: FS_OK, beginChunkId: state.allocateChunks(BigInt(chunkIdNum)) };
}

function latestTxIds(state: ClusterState, request: Message): Message {
  const { fsId } = request as { fsId?: number };
  const own = state.partitions.filter((one) => one.fsId === fsId);
  return { statusCode: FS_OK, txIds: own.map(({ partitionId, txId }) => ({ partitionId, txId })) };
}

function listPartition(state: ClusterState, request: Message): Message {
  const { fsId } = request as { fsId: number };
  const own = state.partitions.filter((one) => one.fsId === fsId);
  return { statusCode: TOPO_OK, partitionInfoList: own.map(partitionInfo) };
}

function partitionInfo(partition: Partition): Message {
  const { fsId, partitionId, copysetId, start, end, txId, nextId, deleting } = partition;
  const status = deleting ? 3 : 1;
  return { fsId, poolId: POOL_ID, copysetId, partitionId, start, end, txId, nextId, status, inodeNum: 0n };
}

function serversInCopysets(state: ClusterState, addresses: Addresses, request: Message): Message {
  const { PoolId, copysetId } = request as { PoolId: number; copysetId: readonly number[] };
  const copysets = copysetId.map((id) => (PoolId === POOL_ID ? state.copysets.get(id) : undefined));
  const all = addresses();
  const csInfo: Message[] = [];
  for (const copyset of copysets) {
    // One that is not known ends the whole answer.
    if (copyset === undefined) return { statusCode: TOPO_COPYSET_NOT_FOUND, csInfo: [] };
    csInfo.push({
      copysetId: copyset.copysetId,
      csLocs: all
        .filter(({ id }) => copyset.members.includes(id))
        .map(({ id, internalIp, internalPort, externalIp, externalPort }) => ({
          metaServerID: id,
          internalIp,
          internalport: internalPort,
          externalIp,
          externalPort,
        })),
    });
  }
  return { statusCode: TOPO_OK, csInfo };
}

function copysetsInfo(state: ClusterState, addresses: Addresses, request: Message): Message {
  const { copysetKeys } = request as { copysetKeys: readonly { poolId: number; copysetId: number }[] };
  return {
    copysetValues: copysetKeys.map(({ copysetId }) => {
      const copyset = state.copysets.get(copysetId);
      if (copyset === undefined) return { statusCode: TOPO_COPYSET_NOT_FOUND };
      return { statusCode: TOPO_OK, copysetInfo: copysetInfo(state, addresses, copyset) };
    }),
  };
}

function copysetInfo(state: ClusterState, addresses: Addresses, copyset: Copyset): Message {
  const { copysetId, reportedLeader } = copyset;
  const peers = peersOf(addresses, copyset);
  const own = state.partitions.filter((one) => one.copysetId === copysetId);
  return {
    poolId: POOL_ID,
    copysetId,
    peers,
    epoch: 1n,
    leaderPeer: peers.find(({ id }) => id === BigInt(reportedLeader)) ?? {},
    partitionInfoList: own.map(partitionInfo),
  };
}

function copysetOfPartition(state: ClusterState, addresses: Addresses, request: Message): Message {
  const { partitionId } = request as { partitionId: readonly number[] };
  const copysetMap = new Map<number, Message>();
  for (const id of partitionId) {
    const copyset = state.copysets.get(state.partitions.find((one) => one.partitionId === id)?.copysetId ?? 0);
    if (copyset === undefined) return { statusCode: TOPO_COPYSET_NOT_FOUND };
    copysetMap.set(id, { poolId: POOL_ID, copysetId: copyset.copysetId, peers: peersOf(addresses, copyset) });
  }
  return { statusCode: TOPO_OK, copysetMap };
}

function peersOf(addresses: Addresses, copyset: Copyset) {
  const members = addresses().filter(({ id }) => copyset.members.includes(id));
  return members.map((one) => ({ id: BigInt(one.id), address: peerText(one) }));
}

/** As braft spells a peer: the internal address and an index. */
export function peerText({ internalIp, internalPort }: ServerAddress): string {
  return `${internalIp}:${internalPort}:0`;
}

function getMetaServer(addresses: Addresses, request: Message): Message {
  const { metaServerID, hostIp, port } = request as { metaServerID?: number; hostIp?: string; port?: number };
  if (metaServerID === undefined && hostIp === undefined) throw new RpcFailure(1003, 'neither id nor address');
  const found = addresses().find((one) => {
    if (metaServerID !== undefined) return one.id === metaServerID;
    const internal = one.internalIp === hostIp && one.internalPort === port;
    return internal || (one.externalIp === hostIp && one.externalPort === port);
  });
  if (found === undefined) return { statusCode: TOPO_METASERVER_NOT_FOUND };
  const { id, ...address } = found;
  return { statusCode: TOPO_OK, MetaServerInfo: { metaServerID: id, hostname: `ms${id}`, ...address, onlineState: 0 } };
}
