/**
 * CurveFS messages as tables: a copyset as its metaservers report it. The same as curvefs/proto/heartbeat.proto says; a test
 * compares the two. Names are the wire's own, which is why some break the house style. Only what is used; no behaviour.
 */
import { type MessageOf, message, optional, repeated, required } from './codec.ts';
import { PartitionInfo, Peer } from './common.ts';
import { bool, uint32, uint64 } from './values.ts';

export const CopySetInfo = message('curvefs.mds.heartbeat.CopySetInfo', {
  poolId: required(1, uint32),
  copysetId: required(2, uint32),
  peers: repeated(3, Peer),
  epoch: required(4, uint64),
  leaderPeer: required(5, Peer),
  partitionInfoList: repeated(6, PartitionInfo),
  isCopysetLoading: optional(8, bool),
});
export type CopySetInfo = MessageOf<typeof CopySetInfo>;
