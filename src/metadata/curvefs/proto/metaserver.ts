/**
 * CurveFS messages as tables (curvefs/proto/metaserver.proto, cli2.proto): inodes, chunk lists, directories, and who leads
 * a copyset. Names are the wire's own, which is why some break the house style. Only what is used; no behaviour.
 * A table may leave out optional fields of the message; numbers, types and labels must be the server's.
 */
import { type MessageOf, map, message, method, optional, repeated, required } from './codec.ts';
import { Peer } from './mds.ts';
import { bool, byteString, bytes, enumeration, int32, size64, string, uint32, uint64 } from './values.ts';

export const MetaStatusCode = enumeration('curvefs.metaserver.MetaStatusCode', {
  OK: 0,
  UNKNOWN_ERROR: 1,
  PARAM_ERROR: 2,
  NOT_FOUND: 3,
  INODE_EXIST: 4,
  DENTRY_EXIST: 5,
  SYM_LINK_EMPTY: 6,
  RPC_ERROR: 7,
  COPYSET_NOTEXIST: 8,
  REDIRECTED: 9,
  OVERLOAD: 10,
  TARGET_DIRECTORY_EXIST: 11,
  HANDLE_PENDING_TX_FAILED: 12,
  HANDLE_TX_FAILED: 13,
  PARTITION_NOT_FOUND: 14,
  PARTITION_EXIST: 15,
  PARTITION_DELETING: 16,
  PARTITION_ALLOC_ID_FAIL: 17,
  SAVE_META_FAIL: 18,
  S3_DELETE_ERR: 19,
  PARTITION_ID_MISSMATCH: 20,
  IDEMPOTENCE_OK: 21,
  SERIALIZE_TO_STRING_FAILED: 22,
  PARSE_FROM_STRING_FAILED: 23,
  STORAGE_INTERNAL_ERROR: 24,
  RPC_STREAM_ERROR: 25,
  INODE_S3_META_TOO_LARGE: 26,
  STORAGE_CLOSED: 27,
  TX_FAILED: 28,
  TX_WRITE_CONFLICT: 29,
  TX_KEY_LOCKED: 30,
  TX_COMMITTED: 31,
  TX_ROLLBACKED: 32,
  TX_TIMEOUT: 33,
  TX_INPROGRESS: 34,
  TX_MISMATCH: 35,
});

export const FsFileType = enumeration('curvefs.metaserver.FsFileType', {
  TYPE_DIRECTORY: 1,
  TYPE_FILE: 2,
  TYPE_SYM_LINK: 3,
  TYPE_S3: 4,
});

export const S3ChunkInfo = message(
  'curvefs.metaserver.S3ChunkInfo',
  {
    chunkId: required(1, uint64),
    compaction: required(2, uint64),
    offset: required(3, size64),
    len: required(4, size64),
    size: required(5, size64),
    zero: required(6, bool),
  },
  // Inodes have tens of thousands of these: read without a detour over the table, a tenth of the time.
  (reader, end) => {
    if (reader.key() !== 0x08) return null;
    const chunkId = reader.id();
    if (reader.key() !== 0x10) return null;
    const compaction = reader.id();
    if (reader.key() !== 0x18) return null;
    const offset = reader.size();
    if (reader.key() !== 0x20) return null;
    const len = reader.size();
    if (reader.key() !== 0x28) return null;
    const size = reader.size();
    if (reader.key() !== 0x30) return null;
    const zero = reader.bool();
    return reader.pos === end ? { chunkId, compaction, offset, len, size, zero } : null;
  },
);

export const S3ChunkInfoList = message('curvefs.metaserver.S3ChunkInfoList', { s3Chunks: repeated(1, S3ChunkInfo) });
export type S3ChunkInfoList = MessageOf<typeof S3ChunkInfoList>;

/** What an inode and its attributes alone begin with. */
const ATTRIBUTES = {
  inodeId: required(1, uint64),
  fsId: required(2, uint32),
  length: required(3, size64),
  ctime: required(4, uint64),
  ctime_ns: required(5, uint32),
  mtime: required(6, uint64),
  mtime_ns: required(7, uint32),
  atime: required(8, uint64),
  atime_ns: required(9, uint32),
  uid: required(10, uint32),
  gid: required(11, uint32),
  mode: required(12, uint32),
  nlink: required(13, uint32),
  type: required(14, FsFileType),
  symlink: optional(15, string),
  rdev: optional(16, uint64),
};

export const Inode = message('curvefs.metaserver.Inode', {
  ...ATTRIBUTES,
  s3ChunkInfoMap: map(18, uint64, S3ChunkInfoList),
  dtime: optional(19, uint64),
  openmpcount: optional(20, uint32),
  xattr: map(21, string, bytes),
  parent: repeated(22, uint64),
});
export type Inode = MessageOf<typeof Inode>;

/** Where an inode is kept: what every request to a metaserver begins with. */
const PARTITION = {
  poolId: required(1, uint32),
  copysetId: required(2, uint32),
  partitionId: required(3, uint32),
  fsId: required(4, uint32),
};

export const GetInodeRequest = message('curvefs.metaserver.GetInodeRequest', {
  ...PARTITION,
  inodeId: required(5, uint64),
  appliedIndex: optional(6, uint64),
  supportStreaming: optional(7, bool),
});

export const GetInodeResponse = message('curvefs.metaserver.GetInodeResponse', {
  statusCode: required(1, MetaStatusCode),
  inode: optional(2, Inode),
  appliedIndex: optional(3, uint64),
  streaming: optional(4, bool),
});

export const InodeAttr = message('curvefs.metaserver.InodeAttr', {
  ...ATTRIBUTES,
  dtime: optional(17, uint32),
  openmpcount: optional(18, uint32),
  xattr: map(19, string, bytes),
  parent: repeated(20, uint64),
});
export type InodeAttr = MessageOf<typeof InodeAttr>;

export const BatchGetInodeAttrRequest = message('curvefs.metaserver.BatchGetInodeAttrRequest', {
  ...PARTITION,
  inodeId: repeated(5, uint64),
  appliedIndex: optional(6, uint64),
});

export const BatchGetInodeAttrResponse = message('curvefs.metaserver.BatchGetInodeAttrResponse', {
  statusCode: required(1, MetaStatusCode),
  attr: repeated(2, InodeAttr),
  appliedIndex: optional(3, uint64),
});

export const GetOrModifyS3ChunkInfoRequest = message('curvefs.metaserver.GetOrModifyS3ChunkInfoRequest', {
  ...PARTITION,
  inodeId: required(5, uint64),
  s3ChunkInfoAdd: map(6, uint64, S3ChunkInfoList),
  s3ChunkInfoRemove: map(7, uint64, S3ChunkInfoList),
  returnS3ChunkInfoMap: required(8, bool),
  fromS3Compaction: optional(9, bool),
  supportStreaming: optional(10, bool),
});

export const GetOrModifyS3ChunkInfoResponse = message('curvefs.metaserver.GetOrModifyS3ChunkInfoResponse', {
  statusCode: required(1, MetaStatusCode),
  appliedIndex: optional(2, uint64),
  s3ChunkInfoMap: map(3, uint64, S3ChunkInfoList),
});

export const Dentry = message('curvefs.metaserver.Dentry', {
  fsId: required(1, uint32),
  inodeId: required(2, uint64),
  parentInodeId: required(3, uint64),
  name: required(4, byteString),
  txId: optional(5, uint64),
  flag: optional(6, uint32),
  type: optional(7, FsFileType),
  txSequence: optional(8, uint64),
});
export type Dentry = MessageOf<typeof Dentry>;

export const TxLock = message('curvefs.metaserver.TxLock', {
  primaryKey: required(1, string),
  startTs: required(2, uint64),
  timestamp: required(3, uint64),
  index: optional(4, uint32),
  ttl: optional(5, int32),
});

export const ListDentryRequest = message('curvefs.metaserver.ListDentryRequest', {
  ...PARTITION,
  dirInodeId: required(5, uint64),
  txId: optional(6, uint64),
  last: optional(7, byteString),
  count: optional(8, uint32),
  onlyDir: optional(9, bool),
  appliedIndex: optional(10, uint64),
});

export const ListDentryResponse = message('curvefs.metaserver.ListDentryResponse', {
  statusCode: required(1, MetaStatusCode),
  dentrys: repeated(2, Dentry),
  appliedIndex: optional(3, uint64),
  txLock: optional(4, TxLock),
});

const MetaServerService = 'curvefs.metaserver.MetaServerService';
export const getInode = method(MetaServerService, 'GetInode', { request: GetInodeRequest, response: GetInodeResponse });
export const batchGetInodeAttr = method(MetaServerService, 'BatchGetInodeAttr', {
  request: BatchGetInodeAttrRequest,
  response: BatchGetInodeAttrResponse,
});
export const listDentry = method(MetaServerService, 'ListDentry', {
  request: ListDentryRequest,
  response: ListDentryResponse,
});
export const getOrModifyS3ChunkInfo = method(MetaServerService, 'GetOrModifyS3ChunkInfo', {
  request: GetOrModifyS3ChunkInfoRequest,
  response: GetOrModifyS3ChunkInfoResponse,
});

export const GetLeaderRequest2 = message('curvefs.metaserver.copyset.GetLeaderRequest2', {
  poolId: required(1, uint32),
  copysetId: required(2, uint32),
  peer: optional(3, Peer),
});

export const GetLeaderResponse2 = message('curvefs.metaserver.copyset.GetLeaderResponse2', {
  leader: required(1, Peer),
});

const CliService2 = 'curvefs.metaserver.copyset.CliService2';
export const getLeader = method(CliService2, 'GetLeader', { request: GetLeaderRequest2, response: GetLeaderResponse2 });
