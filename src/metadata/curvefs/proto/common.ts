/**
 * CurveFS messages as tables (curvefs/proto/common.proto): what several of the services speak of. Apart from the codec
 * because the tables are facts about other people's servers. Names are the wire's own. Only what is used; no behaviour.
 */
import { type MessageOf, map, message, optional, required } from './codec.ts';
import { bool, enumeration, int32, size64, string, uint32, uint64 } from './values.ts';

export const FSType = enumeration('curvefs.common.FSType', {
  TYPE_VOLUME: 1,
  TYPE_S3: 2,
  TYPE_HYBRID: 3,
});

export const S3Info = message('curvefs.common.S3Info', {
  ak: required(1, string),
  sk: required(2, string),
  endpoint: required(3, string),
  bucketname: required(4, string),
  blockSize: required(5, size64),
  chunkSize: required(6, size64),
  objectPrefix: optional(7, uint32),
});
export type S3Info = MessageOf<typeof S3Info>;

const PartitionStatus = enumeration('curvefs.common.PartitionStatus', {
  READWRITE: 1,
  READONLY: 2,
  DELETING: 3,
});

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

export const Peer = message('curvefs.common.Peer', {
  id: optional(1, uint64),
  address: optional(2, string),
});
export type Peer = MessageOf<typeof Peer>;
