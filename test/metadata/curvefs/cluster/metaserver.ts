/**
 * What one metaserver of the stand-in answers (facts §1c-e, §2): it looks whether it hosts the copyset and leads it, then
 * works on the tables that all replicas share. Reads and writes take effect in one step each, but for GetInode, which
 * takes the inode and its lists one after the other.
 */
import type { Dentry } from './dentries.ts';
import { type Addresses, peerText } from './mds.ts';
import { type InodeFields, type InodePlace, NOT_FOUND, OK, type Version } from './records.ts';
import { EAGAIN, ENOENT, type Methods, RpcFailure } from './server.ts';
import type { ClusterState, Partition } from './state.ts';
import { POOL_ID } from './state.ts';
import type { Message } from './wire.ts';

/** MetaStatusCode. */
export const COPYSET_NOTEXIST = 8;
export const REDIRECTED = 9;
export const OVERLOAD = 10;
export const PARTITION_NOT_FOUND = 14;
export const PARTITION_DELETING = 16;
export const PARTITION_ID_MISSMATCH = 20;
export const TX_KEY_LOCKED = 30;
const RPC_STREAM_ERROR = 25;

/** The largest BatchGetInodeAttr that a client sends. */
const BATCH_MAX = 10_000;

type Lists = ReadonlyMap<bigint, { readonly s3Chunks: readonly Version[] }>;

interface Target extends InodePlace {
  readonly poolId: number;
  readonly copysetId: number;
  readonly partitionId: number;
}

export function metaserverMethods(state: ClusterState, id: number, addresses: Addresses): Methods {
  const service = 'curvefs.metaserver.MetaServerService';
  const at = (work: (request: Message, partition: Partition) => Message, place = placeOf) => {
    return (request: Message): Message => {
      const found = locate(state, id, { ...(request as unknown as Target), ...place(request) });
      return typeof found === 'number' ? { statusCode: found } : work(request, found);
    };
  };
  const directory = (request: Message): InodePlace => ({
    fsId: request['fsId'] as number,
    inodeId: request['dirInodeId'] as bigint,
  });
  const first = (request: Message): InodePlace => ({
    fsId: request['fsId'] as number,
    inodeId: (request['inodeId'] as readonly bigint[])[0] ?? 0n,
  });
  return new Map<string, (request: Message) => Message>([
    [`${service}/GetInode`, at((request) => getInode(state, request))],
    [`${service}/UpdateInode`, at((request) => updateInode(state, request))],
    [`${service}/GetOrModifyS3ChunkInfo`, at((request) => getOrModify(state, request))],
    [`${service}/BatchGetInodeAttr`, at((request, partition) => batchAttr(state, partition, request), first)],
    [`${service}/ListDentry`, at((request) => listDentry(state, request), directory)],
    ['curvefs.metaserver.copyset.CliService2/GetLeader', (request) => getLeader(state, { id, addresses }, request)],
  ]);
}

function placeOf(request: Message): InodePlace {
  return { fsId: request['fsId'] as number, inodeId: request['inodeId'] as bigint };
}

/** The partition that the request is for, or why it cannot be served here. */
function locate(state: ClusterState, id: number, target: Target): Partition | number {
  const copyset = target.poolId === POOL_ID ? state.copysets.get(target.copysetId) : undefined;
  if (copyset?.members.includes(id) !== true) return COPYSET_NOTEXIST;
  if (copyset.leader !== id) return REDIRECTED;
  const partition = state.partitions.find(({ partitionId }) => partitionId === target.partitionId);
  if (partition?.copysetId !== target.copysetId) return PARTITION_NOT_FOUND;
  if (partition.deleting) return PARTITION_DELETING;
  return inPartition(partition, target) ? partition : PARTITION_ID_MISSMATCH;
}

function inPartition(partition: Partition, { fsId, inodeId }: InodePlace): boolean {
  return partition.fsId === fsId && partition.start <= inodeId && inodeId <= partition.end;
}

function getInode(state: ClusterState, request: Message): Message {
  const place = placeOf(request);
  const fields = state.tables.inode(place);
  if (fields === undefined) return { statusCode: NOT_FOUND, appliedIndex: state.appliedIndex };
  // The list is taken later and without the lock: the length may be older than the list.
  const { tear } = state;
  state.tear = undefined;
  tear?.();
  const inode = { ...attributes(place, fields), s3ChunkInfoMap: shown(state, place) };
  return { statusCode: OK, inode, appliedIndex: state.appliedIndex };
}

function shown(state: ClusterState, place: InodePlace): Lists {
  return new Map([...state.tables.lists(place)].map(([index, s3Chunks]) => [index, { s3Chunks }]));
}

function attributes({ fsId, inodeId }: InodePlace, fields: InodeFields): Message {
  const { length, nlink, type, mtime, mtimeNs, ctime, ctimeNs, dtime, parent } = fields;
  return {
    inodeId,
    fsId,
    length,
    ctime,
    ctime_ns: ctimeNs,
    mtime,
    mtime_ns: mtimeNs,
    atime: mtime,
    atime_ns: mtimeNs,
    uid: 0,
    gid: 0,
    mode: type === 1 ? 0o40755 : 0o100644,
    nlink,
    type,
    rdev: 0n,
    openmpcount: 0,
    ...(dtime === undefined ? {} : { dtime }),
    parent,
    xattr: new Map(),
  };
}

function updateInode(state: ClusterState, request: Message): Message {
  const { length, mtime, ctime, nlink } = request as {
    length?: bigint;
    mtime?: bigint;
    ctime?: bigint;
    nlink?: number;
  };
  const fields: Partial<InodeFields> = {
    ...(length === undefined ? {} : { length }),
    ...(mtime === undefined ? {} : { mtime, mtimeNs: (request['mtime_ns'] as number | undefined) ?? 0 }),
    ...(ctime === undefined ? {} : { ctime, ctimeNs: (request['ctime_ns'] as number | undefined) ?? 0 }),
    // Whoever takes the last link away makes the inode one to be deleted.
    ...(nlink === undefined ? {} : { nlink, ...(nlink === 0 && ctime !== undefined ? { dtime: ctime } : {}) }),
  };
  const statusCode = state.tables.update(placeOf(request), fields, listsOf(request['s3ChunkInfoAdd']));
  return { statusCode, appliedIndex: ++state.appliedIndex };
}

function getOrModify(state: ClusterState, request: Message): Message {
  const place = placeOf(request);
  const [add, remove] = [listsOf(request['s3ChunkInfoAdd']), listsOf(request['s3ChunkInfoRemove'])];
  const statusCode = state.tables.modify(place, { add, remove });
  const appliedIndex = ++state.appliedIndex;
  if (statusCode === OK && remove.size > 0) state.commits.push({ place, add, remove });
  if (request['supportStreaming'] === true) {
    state.violations.push('supportStreaming: a stream that nobody opened fails after the change');
    if (request['returnS3ChunkInfoMap'] === true) return { statusCode: RPC_STREAM_ERROR };
  }
  const map = statusCode === OK && request['returnS3ChunkInfoMap'] === true;
  return { statusCode, appliedIndex, ...(map ? { s3ChunkInfoMap: shown(state, place) } : {}) };
}

function listsOf(map: unknown): Map<bigint, readonly Version[]> {
  return new Map([...((map ?? new Map()) as Lists)].map(([index, { s3Chunks }]) => [index, s3Chunks ?? []]));
}

function batchAttr(state: ClusterState, partition: Partition, request: Message): Message {
  const { fsId, inodeId } = request as { fsId: number; inodeId: readonly bigint[] };
  if (inodeId.length > BATCH_MAX) state.violations.push(`BatchGetInodeAttr of ${inodeId.length} inodes`);
  const attr: Message[] = [];
  for (const one of inodeId) {
    const place = { fsId, inodeId: one };
    if (!inPartition(partition, place)) return { statusCode: PARTITION_ID_MISSMATCH, attr: [] };
    const fields = state.tables.inode(place);
    // One that is missing fails the whole batch.
    if (fields === undefined) return { statusCode: NOT_FOUND, attr: [] };
    const { dtime, ...rest } = attributes(place, fields) as { dtime?: bigint };
    attr.push({ ...rest, ...(dtime === undefined ? {} : { dtime: Number(dtime) }) });
  }
  return { statusCode: OK, attr, appliedIndex: state.appliedIndex };
}

function listDentry(state: ClusterState, request: Message): Message {
  const {
    txId = 0n,
    last = '',
    count = 0,
    onlyDir = false,
  } = request as {
    txId?: bigint;
    last?: string;
    count?: number;
    onlyDir?: boolean;
  };
  const found = state.dentries.list(request['fsId'] as number, request['dirInodeId'] as bigint, {
    txId,
    last,
    count,
    onlyDir,
  });
  return { statusCode: OK, dentrys: found satisfies readonly Dentry[], appliedIndex: state.appliedIndex };
}

function getLeader(
  state: ClusterState,
  server: { readonly id: number; readonly addresses: Addresses },
  request: Message,
): Message {
  const { copysetId } = request as { copysetId: number };
  const copyset = state.copysets.get(copysetId);
  if (copyset?.members.includes(server.id) !== true) throw new RpcFailure(ENOENT, `No nodes in group ${copysetId}`);
  if (copyset.leader === null) throw new RpcFailure(EAGAIN, 'Unknown leader');
  const leader = server.addresses().find(({ id }) => id === copyset.leader);
  if (leader === undefined) throw new RpcFailure(EAGAIN, 'Unknown leader');
  return { leader: { address: peerText(leader) } };
}
