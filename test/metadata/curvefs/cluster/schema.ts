/**
 * The messages of MDS and metaserver as tables, copied from the facts by hand (CurveFS 46d4b59b7): `name no type`, `!` for
 * required, `*` for repeated, `<key>` before the type for maps. Only what clients send and the stand-in answers. It must
 * not be made from src/metadata/curvefs, nor the other way round.
 */
import type { Field, Schema } from './wire.ts';

const BRPC = `
RpcMeta: request 1 RpcRequestMeta, response 2 RpcResponseMeta, compress_type 3 int32, correlation_id 4 int64,
  attachment_size 5 int32, authentication_data 7 bytes, stream_settings 8 StreamSettings
RpcRequestMeta: service_name 1 string!, method_name 2 string!, log_id 3 int64
RpcResponseMeta: error_code 1 int32, error_text 2 string
StreamSettings: stream_id 1 int64!, need_feedback 2 bool, writable 3 bool
`;

const MDS = `
GetFsInfoRequest: fsId 1 uint32, fsName 2 string
GetFsInfoResponse: statusCode 1 enum!, fsInfo 2 FsInfo
ListClusterFsInfoRequest:
ListClusterFsInfoResponse: fsInfo 1 FsInfo*
FsInfo: fsId 1 uint32!, fsName 2 string!, status 3 enum!, rootInodeId 4 uint64!, capacity 5 uint64!, blockSize 6 uint64!,
  mountNum 7 uint32!, mountpoints 8 Mountpoint*, fsType 9 enum!, detail 10 FsDetail!, enableSumInDir 11 bool!,
  owner 12 string!, txSequence 13 uint64, txOwner 14 string, recycleTimeHour 15 uint32
FsDetail: volume 1 Volume, s3Info 2 S3Info
Mountpoint: hostname 1 string!, port 2 uint32!, path 3 string!, cto 4 bool
AllocateS3ChunkRequest: fsId 1 uint32!, chunkIdNum 2 uint32
AllocateS3ChunkResponse: statusCode 1 enum!, beginChunkId 2 uint64!
GetLatestTxIdRequest: lock 1 bool, fsId 2 uint32, fsName 3 string, uuid 4 string
GetLatestTxIdResponse: statusCode 1 enum!, txIds 2 PartitionTxId*, txSequence 3 uint64
S3Info: ak 1 string!, sk 2 string!, endpoint 3 string!, bucketname 4 string!, blockSize 5 uint64!, chunkSize 6 uint64!,
  objectPrefix 7 uint32
Volume: volumeSize 1 uint64, blockSize 2 uint64!, volumeName 3 string!, user 4 string!, password 5 string,
  blockGroupSize 6 uint64!, bitmapLocation 7 enum!, sliceSize 8 uint64!, autoExtend 9 bool!, extendAlignment 11 uint64,
  cluster 12 string*
PartitionInfo: fsId 1 uint32!, poolId 2 uint32!, copysetId 3 uint32!, partitionId 4 uint32!, start 5 uint64!,
  end 6 uint64!, txId 7 uint64, nextId 8 uint64, status 9 enum!, inodeNum 10 uint64, dentryNum 11 uint64,
  fileType2inodeNum 12 <int32>uint64, manageFlag 13 bool
Peer: id 1 uint64, address 2 string
`;

const TOPOLOGY = `
ListPartitionRequest: fsId 1 uint32!
ListPartitionResponse: statusCode 1 enum!, partitionInfoList 2 PartitionInfo*
GetCopysetOfPartitionRequest: partitionId 1 uint32*
GetCopysetOfPartitionResponse: statusCode 1 enum!, copysetMap 2 <uint32>Copyset
Copyset: poolId 1 uint32!, copysetId 2 uint32!, peers 3 Peer*
GetMetaServerListInCopySetsRequest: PoolId 1 uint32!, copysetId 2 uint32*
GetMetaServerListInCopySetsResponse: statusCode 1 enum!, csInfo 2 CopySetServerInfo*
CopySetServerInfo: copysetId 1 uint32!, csLocs 2 MetaServerLocation*
MetaServerLocation: metaServerID 1 uint32!, internalIp 2 string!, internalport 3 uint32!, externalIp 4 string,
  externalPort 5 uint32
GetCopysetsInfoRequest: copysetKeys 1 CopysetKey*
CopysetKey: poolId 1 uint32!, copysetId 2 uint32!
GetCopysetsInfoResponse: copysetValues 1 CopysetValue*
CopysetValue: statusCode 1 enum!, copysetInfo 2 CopySetInfo
CopySetInfo: poolId 1 uint32!, copysetId 2 uint32!, peers 3 Peer*, epoch 4 uint64!, leaderPeer 5 Peer!,
  partitionInfoList 6 PartitionInfo*, isCopysetLoading 8 bool
GetMetaServerInfoRequest: metaServerID 1 uint32, hostIp 2 string, port 3 uint32
GetMetaServerInfoResponse: statusCode 1 enum!, MetaServerInfo 2 MetaServerInfo
MetaServerInfo: metaServerID 1 uint32!, hostname 2 string!, internalIp 3 string!, internalPort 4 uint32!,
  externalIp 5 string!, externalPort 6 uint32!, onlineState 7 enum!, serverId 8 uint32
PartitionTxId: partitionId 1 uint32!, txId 2 uint64!
GetLeaderRequest2: poolId 1 uint32!, copysetId 2 uint32!, peer 3 Peer
GetLeaderResponse2: leader 1 Peer!
`;

const METASERVER = `
GetInodeRequest: poolId 1 uint32!, copysetId 2 uint32!, partitionId 3 uint32!, fsId 4 uint32!, inodeId 5 uint64!,
  appliedIndex 6 uint64, supportStreaming 7 bool
GetInodeResponse: statusCode 1 enum!, inode 2 Inode, appliedIndex 3 uint64, streaming 4 bool
Inode: inodeId 1 uint64!, fsId 2 uint32!, length 3 uint64!, ctime 4 uint64!, ctime_ns 5 uint32!, mtime 6 uint64!,
  mtime_ns 7 uint32!, atime 8 uint64!, atime_ns 9 uint32!, uid 10 uint32!, gid 11 uint32!, mode 12 uint32!,
  nlink 13 uint32!, type 14 enum!, symlink 15 string, rdev 16 uint64, s3ChunkInfoMap 18 <uint64>S3ChunkInfoList,
  dtime 19 uint64, openmpcount 20 uint32, xattr 21 <string>bytes, parent 22 uint64*
S3ChunkInfo: chunkId 1 uint64!, compaction 2 uint64!, offset 3 uint64!, len 4 uint64!, size 5 uint64!, zero 6 bool!
S3ChunkInfoList: s3Chunks 1 S3ChunkInfo*
BatchGetInodeAttrRequest: poolId 1 uint32!, copysetId 2 uint32!, partitionId 3 uint32!, fsId 4 uint32!,
  inodeId 5 uint64*, appliedIndex 6 uint64
BatchGetInodeAttrResponse: statusCode 1 enum!, attr 2 InodeAttr*, appliedIndex 3 uint64
InodeAttr: inodeId 1 uint64!, fsId 2 uint32!, length 3 uint64!, ctime 4 uint64!, ctime_ns 5 uint32!, mtime 6 uint64!,
  mtime_ns 7 uint32!, atime 8 uint64!, atime_ns 9 uint32!, uid 10 uint32!, gid 11 uint32!, mode 12 uint32!,
  nlink 13 uint32!, type 14 enum!, symlink 15 string, rdev 16 uint64, dtime 17 uint32, openmpcount 18 uint32,
  xattr 19 <string>bytes, parent 20 uint64*
GetOrModifyS3ChunkInfoRequest: poolId 1 uint32!, copysetId 2 uint32!, partitionId 3 uint32!, fsId 4 uint32!,
  inodeId 5 uint64!, s3ChunkInfoAdd 6 <uint64>S3ChunkInfoList, s3ChunkInfoRemove 7 <uint64>S3ChunkInfoList,
  returnS3ChunkInfoMap 8 bool!, fromS3Compaction 9 bool, supportStreaming 10 bool
GetOrModifyS3ChunkInfoResponse: statusCode 1 enum!, appliedIndex 2 uint64, s3ChunkInfoMap 3 <uint64>S3ChunkInfoList
ListDentryRequest: poolId 1 uint32!, copysetId 2 uint32!, partitionId 3 uint32!, fsId 4 uint32!, dirInodeId 5 uint64!,
  txId 6 uint64, last 7 string, count 8 uint32, onlyDir 9 bool, appliedIndex 10 uint64
ListDentryResponse: statusCode 1 enum!, dentrys 2 Dentry*, appliedIndex 3 uint64, txLock 4 TxLock
Dentry: fsId 1 uint32!, inodeId 2 uint64!, parentInodeId 3 uint64!, name 4 string!, txId 5 uint64, flag 6 uint32,
  type 7 enum, txSequence 8 uint64
TxLock: primaryKey 1 string!, startTs 2 uint64!, timestamp 3 uint64!, index 4 uint32, ttl 5 int32
UpdateInodeRequest: poolId 1 uint32!, copysetId 2 uint32!, partitionId 3 uint32!, fsId 4 uint32!, inodeId 5 uint64!,
  length 6 uint64, ctime 7 uint64, ctime_ns 8 uint32, mtime 9 uint64, mtime_ns 10 uint32, atime 11 uint64,
  atime_ns 12 uint32, uid 13 uint32, gid 14 uint32, mode 15 uint32, nlink 18 uint32, xattr 20 <string>bytes,
  parent 21 uint64*, s3ChunkInfoAdd 22 <uint64>S3ChunkInfoList
UpdateInodeResponse: statusCode 1 enum!, appliedIndex 2 uint64
`;

export const SCHEMA: Schema = parse(BRPC + MDS + TOPOLOGY + METASERVER);

function parse(text: string): Schema {
  const schema = new Map<string, readonly Field[]>();
  const lines = text.replaceAll(/\n +/g, ' ').split('\n');
  for (const line of lines.filter((one) => one !== '')) {
    const [name = '', fields = ''] = line.split(':');
    schema.set(
      name,
      fields
        .split(',')
        .map((field) => field.trim())
        .filter((field) => field !== '')
        .map(fieldOf),
    );
  }
  return schema;
}

function fieldOf(text: string): Field {
  const [, name = '', no = '', mapKey, type = '', mark = ''] =
    /^(\w+) (\d+) (?:<(\w+)>)?(\w+)([!*]?)$/.exec(text) ?? [];
  if (name === '') throw new Error(`not a field: ${text}`);
  const label = mark === '!' ? 'required' : mark === '*' ? 'repeated' : 'optional';
  return { name, no: Number(no), type, label, ...(mapKey === undefined ? {} : { mapKey }) };
}

/** `package.Service/Method` → names of request and response in the schema. */
export const METHODS: ReadonlyMap<string, { readonly request: string; readonly response: string }> = new Map([
  ...methods('curvefs.mds.MdsService', ['GetFsInfo', 'ListClusterFsInfo', 'AllocateS3Chunk', 'GetLatestTxId']),
  ...methods('curvefs.mds.topology.TopologyService', ['ListPartition', 'GetCopysetOfPartition', 'GetCopysetsInfo']),
  [
    'curvefs.mds.topology.TopologyService/GetMetaServerListInCopysets',
    { request: 'GetMetaServerListInCopySetsRequest', response: 'GetMetaServerListInCopySetsResponse' },
  ],
  [
    'curvefs.mds.topology.TopologyService/GetMetaServer',
    { request: 'GetMetaServerInfoRequest', response: 'GetMetaServerInfoResponse' },
  ],
  ...methods('curvefs.metaserver.MetaServerService', ['GetInode', 'BatchGetInodeAttr', 'ListDentry', 'UpdateInode']),
  ...methods('curvefs.metaserver.MetaServerService', ['GetOrModifyS3ChunkInfo']),
  [
    'curvefs.metaserver.copyset.CliService2/GetLeader',
    { request: 'GetLeaderRequest2', response: 'GetLeaderResponse2' },
  ],
]);

function methods(service: string, names: readonly string[]) {
  return names.map((name): readonly [string, { readonly request: string; readonly response: string }] => [
    `${service}/${name}`,
    { request: `${name}Request`, response: `${name}Response` },
  ]);
}
