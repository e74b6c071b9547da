/**
 * CurveFS messages as tables (curvefs/proto/topology.proto): where partitions and metaservers are. Apart from the codec
 * because the tables are facts about other people's servers. Names are the wire's own. Only what is used; no behaviour.
 */
import { type MessageOf, message, method, optional, repeated, required } from './codec.ts';
import { PartitionInfo } from './common.ts';
import { enumeration, string, uint32 } from './values.ts';

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

const OnlineState = enumeration('curvefs.mds.topology.OnlineState', {
  ONLINE: 0,
  OFFLINE: 1,
  UNSTABLE: 2,
});

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
export type CopySetServerInfo = MessageOf<typeof CopySetServerInfo>;

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
