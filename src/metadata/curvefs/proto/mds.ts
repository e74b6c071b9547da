/**
 * CurveFS messages as tables (curvefs/proto/mds.proto): file systems. Apart from the codec because the tables are facts
 * about other people's servers. Names are the wire's own. Only what is used; no behaviour.
 */
import { type MessageOf, message, method, optional, repeated, required } from './codec.ts';
import { FSType, S3Info } from './common.ts';
import { bool, enumeration, size64, string, uint32, uint64 } from './values.ts';

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

export const FsStatus = enumeration('curvefs.mds.FsStatus', {
  NEW: 0,
  INITED: 1,
  DELETING: 2,
});

export const GetFsInfoRequest = message('curvefs.mds.GetFsInfoRequest', {
  fsId: optional(1, uint32),
  fsName: optional(2, string),
});

export const FsDetail = message('curvefs.mds.FsDetail', {
  s3Info: optional(2, S3Info),
});
export type FsDetail = MessageOf<typeof FsDetail>;

export const Mountpoint = message('curvefs.mds.Mountpoint', {
  hostname: required(1, string),
  port: required(2, uint32),
  path: required(3, string),
  cto: optional(4, bool),
});
export type Mountpoint = MessageOf<typeof Mountpoint>;

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
