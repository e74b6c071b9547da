/**
 * CurveFS messages as tables (curvefs/proto/mds.proto, topology.proto, common.proto): file systems, and where partitions and
 * metaservers are. Apart from the codec because the tables are facts about other people's servers. Names are the wire's
 * own. Only what is used; no behaviour.
 */
import { type MessageOf, map, message, method, optional, repeated, required } from './codec.ts';
import { bool, enumeration, int32, size64, string, uint32, uint64 } from './values.ts';

export const FSType = enumeration('curvefs.common.FSType', { TYPE_VOLUME: 1, TYPE_S3: 2, TYPE_HYBRID: 3 });

export const S3Info = message('curvefs.common.S3Info', {
  ak: required(1, string),
  sk: required(2, string),
  endpoint: required(3, string),
  bucketname: required(4, string),
  blockSize: required(5, size64),
  chunkSize: required(6, size64),
  objectPrefix: optional(7, uint32),
});

const PartitionStatus = enumeration('curvefs.common.PartitionStatus', { READWRITE: 1, READONLY: 2, DELETING: 3 });

export const PartitionInfo = message('curvefs.common.PartitionInfo', {
  fsId: required(1, uint32),
  poolId: required(2, uint32),
  copysetId: required(3, uint32),
  partitionId: required(4, uint32),
  start: required(5, uint64),
  end: required(6, uint64),
  txId: optional(7, uint64),
  nextId: optional(8, uint64),
  status: required(9, PartitionStatus),
  inodeNum: optional(10, uint64),
  dentryNum: optional(11, uint64),
  fileType2inodeNum: map(12, int32, uint64),
  manageFlag: optional(13, bool),
});
export type PartitionInfo = MessageOf<typeof PartitionInfo>;

export const Peer = message('curvefs.common.Peer', { id: optional(1, uint64), address: optional(2, string) });

export const FSStatusCode = enumeration('curvefs.mds.FSStatusCode', {
  OK: 0,
  UNKNOWN_ERROR: 1,
  FS_EXIST: 2,
  NOT_FOUND: 3,
  PARAM_ERROR: 4,
  MOUNT_POINT_EXIST: 5,
  MOUNT_POINT_NOT_EXIST: 6,
  RPC_ERROR: 7,
  INIT_SPACE_ERROR: 8,
  UNINIT_SPACE_ERROR: 9,
  FS_BUSY: 10,
  INSERT_ROOT_INODE_ERROR: 11,
  UNDER_DELETING: 12,
  NOT_INITED: 13,
  DELETE_INODE_ERROR: 14,
  METASERVER_CLIENT_NOT_INITED: 15,
  FS_ID_MISMATCH: 16,
  SPACE_CLIENT_NOT_INITED: 17,
  INODE_EXIST: 18,
  INTERNAL_ERROR: 19,
  STORAGE_ERROR: 20,
  ALLOCATE_CHUNKID_ERROR: 21,
  CREATE_PARTITION_ERROR: 22,
  CREATE_COPYSET_ERROR: 23,
  GET_PARTITIONINFOOFFS_ERROR: 24,
  PARTITION_EXIST: 25,
  DELETE_PARTITION_ERROR: 26,
  S3_INFO_ERROR: 27,
  LOCK_FAILED: 28,
  LOCK_TIMEOUT: 29,
  COMMIT_TX_SEQUENCE_MISMATCH: 30,
  VOLUME_INFO_ERROR: 31,
  MOUNT_POINT_CONFLICT: 32,
  FSNAME_INVALID: 33,
  INSERT_DENTRY_FAIL: 34,
  INSERT_MANAGE_INODE_FAIL: 35,
  DELETE_DENTRY_FAIL: 36,
  UPDATE_FS_FAIL: 37,
  SPACE_RELEASE_FAIL: 38,
});

export const FsStatus = enumeration('curvefs.mds.FsStatus', { NEW: 0, INITED: 1, DELETING: 2 });

export const GetFsInfoRequest = message('curvefs.mds.GetFsInfoRequest', {
  fsId: optional(1, uint32),
  fsName: optional(2, string),
});

export const FsDetail = message('curvefs.mds.FsDetail', { s3Info: optional(2, S3Info) });

export const Mountpoint = message('curvefs.mds.Mountpoint', {
  hostname: required(1, string),
  port: required(2, uint32),
  path: required(3, string),
  cto: optional(4, bool),
});

export const FsInfo = message('curvefs.mds.FsInfo', {
  fsId: required(1, uint32),
  fsName: required(2, string),
  status: required(3, FsStatus),
  rootInodeId: required(4, uint64),
  capacity: required(5, uint64),
  blockSize: required(6, size64),
  mountNum: required(7, uint32),
  mountpoints: repeated(8, Mountpoint),
  fsType: required(9, FSType),
  detail: required(10, FsDetail),
  enableSumInDir: required(11, bool),
  owner: required(12, string),
  txSequence: optional(13, uint64),
  txOwner: optional(14, string),
  recycleTimeHour: optional(15, uint32),
});
export type FsInfo = MessageOf<typeof FsInfo>;

export const GetFsInfoResponse = message('curvefs.mds.GetFsInfoResponse', {
  statusCode: required(1, FSStatusCode),
  fsInfo: optional(2, FsInfo),
});

export const ListClusterFsInfoRequest = message('curvefs.mds.ListClusterFsInfoRequest', {});

export const ListClusterFsInfoResponse = message('curvefs.mds.ListClusterFsInfoResponse', {
  fsInfo: repeated(1, FsInfo),
});

const MdsService = 'curvefs.mds.MdsService';
export const getFsInfo = method(MdsService, 'GetFsInfo', { request: GetFsInfoRequest, response: GetFsInfoResponse });
export const listClusterFsInfo = method(MdsService, 'ListClusterFsInfo', {
  request: ListClusterFsInfoRequest,
  response: ListClusterFsInfoResponse,
});

export const TopoStatusCode = enumeration('curvefs.mds.topology.TopoStatusCode', {
  TOPO_OK: 0,
  TOPO_INTERNAL_ERROR: 1,
  TOPO_INVALID_PARAM: 2,
  TOPO_INIT_FAIL: 3,
  TOPO_STORGE_FAIL: 4,
  TOPO_ID_DUPLICATED: 5,
  TOPO_METASERVER_NOT_FOUND: 6,
  TOPO_SERVER_NOT_FOUND: 7,
  TOPO_ZONE_NOT_FOUND: 8,
  TOPO_POOL_NOT_FOUND: 9,
  TOPO_COPYSET_NOT_FOUND: 10,
  TOPO_CREATE_COPYSET_ERROR: 11,
  TOPO_ALLOCATE_ID_FAIL: 12,
  TOPO_CANNOT_REMOVE_WHEN_NOT_EMPTY: 13,
  TOPO_IP_PORT_DUPLICATED: 14,
  TOPO_NAME_DUPLICATED: 15,
  TOPO_CREATE_COPYSET_ON_METASERVER_FAIL: 16,
  TOPO_CANNOT_REMOVE_NOT_OFFLINE: 17,
  TOPO_POOL_EXIST: 18,
  TOPO_LEADER_NOT_FOUND: 19,
  TOPO_PARTITION_NOT_FOUND: 20,
  TOPO_CREATE_PARTITION_FAIL: 21,
  TOPO_METASERVER_EXIST: 22,
  TOPO_GET_AVAILABLE_COPYSET_ERROR: 23,
  TOPO_DELETE_PARTITION_ON_METASERVER_FAIL: 24,
  TOPO_MEMCACHECLUSTER_NOT_FOUND: 25,
});

const OnlineState = enumeration('curvefs.mds.topology.OnlineState', { ONLINE: 0, OFFLINE: 1, UNSTABLE: 2 });

export const ListPartitionRequest = message('curvefs.mds.topology.ListPartitionRequest', {
  fsId: required(1, uint32),
});

export const ListPartitionResponse = message('curvefs.mds.topology.ListPartitionResponse', {
  statusCode: required(1, TopoStatusCode),
  partitionInfoList: repeated(2, PartitionInfo),
});

export const GetMetaServerListInCopySetsRequest = message('curvefs.mds.topology.GetMetaServerListInCopySetsRequest', {
  PoolId: required(1, uint32),
  copysetId: repeated(2, uint32),
});

export const MetaServerLocation = message('curvefs.mds.topology.MetaServerLocation', {
  metaServerID: required(1, uint32),
  internalIp: required(2, string),
  internalport: required(3, uint32),
  externalIp: optional(4, string),
  externalPort: optional(5, uint32),
});
export type MetaServerLocation = MessageOf<typeof MetaServerLocation>;

export const CopySetServerInfo = message('curvefs.mds.topology.CopySetServerInfo', {
  copysetId: required(1, uint32),
  csLocs: repeated(2, MetaServerLocation),
});

export const GetMetaServerListInCopySetsResponse = message('curvefs.mds.topology.GetMetaServerListInCopySetsResponse', {
  statusCode: required(1, TopoStatusCode),
  csInfo: repeated(2, CopySetServerInfo),
});

export const GetMetaServerInfoRequest = message('curvefs.mds.topology.GetMetaServerInfoRequest', {
  metaServerID: optional(1, uint32),
  hostIp: optional(2, string),
  port: optional(3, uint32),
});

export const MetaServerInfo = message('curvefs.mds.topology.MetaServerInfo', {
  metaServerID: required(1, uint32),
  hostname: required(2, string),
  internalIp: required(3, string),
  internalPort: required(4, uint32),
  externalIp: required(5, string),
  externalPort: required(6, uint32),
  onlineState: required(7, OnlineState),
  serverId: optional(8, uint32),
});
export type MetaServerInfo = MessageOf<typeof MetaServerInfo>;

export const GetMetaServerInfoResponse = message('curvefs.mds.topology.GetMetaServerInfoResponse', {
  statusCode: required(1, TopoStatusCode),
  MetaServerInfo: optional(2, MetaServerInfo),
});

const TopologyService = 'curvefs.mds.topology.TopologyService';
export const listPartition = method(TopologyService, 'ListPartition', {
  request: ListPartitionRequest,
  response: ListPartitionResponse,
});
export const getMetaServerListInCopysets = method(TopologyService, 'GetMetaServerListInCopysets', {
  request: GetMetaServerListInCopySetsRequest,
  response: GetMetaServerListInCopySetsResponse,
});
export const getMetaServer = method(TopologyService, 'GetMetaServer', {
  request: GetMetaServerInfoRequest,
  response: GetMetaServerInfoResponse,
});
