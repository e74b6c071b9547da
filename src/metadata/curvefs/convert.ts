/**
 * From CurveFS messages to the model and back. The model's numbers are narrower (offsets below 2^53) and its words
 * fewer: what does not fit is refused here, so that nothing behind the port has to know CurveFS. No calls, no policy.
 */
import { createHash } from 'node:crypto';
import { printInodeKey } from '../../format.ts';
import {
  type Filesystem,
  type Inode,
  type InodeKey,
  type ObjectPrefix,
  type S3ChunkInfo,
  UINT64_MAX,
} from '../../model.ts';
import { filesystemMalformed, inodeMalformed } from './faults.ts';
import type { FsInfo } from './proto/mds.ts';
import type { InodeAttr, Inode as InodeMessage, S3ChunkInfoList } from './proto/metaserver.ts';

/** Our words for CurveFS's file types; a type without a word keeps its name. */
const TYPES: ReadonlyMap<string | number, string> = new Map([
  ['TYPE_S3', 's3'],
  ['TYPE_DIRECTORY', 'directory'],
  ['TYPE_SYM_LINK', 'symlink'],
  ['TYPE_FILE', 'volume-file'],
]);

/** An inode and all of its lists, of one call (but not of one moment: the length may be older than the lists). */
export interface WholeInode {
  readonly inode: Inode;
  readonly lists: ReadonlyMap<number, readonly S3ChunkInfo[]>;
}

/** Throws `inode-malformed` (halt). */
export function toInode(key: InodeKey, message: InodeMessage | InodeAttr): Inode {
  if (message.inodeId !== key.inodeId || message.fsId !== key.fsId) {
    throw inodeMalformed(key, `the metaserver answered with inode ${printInodeKey(message)}`);
  }
  if (!Number.isSafeInteger(message.length)) throw inodeMalformed(key, 'its length is 2^53 or more');
  const mtimeMs = timeMs(message.mtime, message.mtime_ns);
  const ctimeMs = timeMs(message.ctime, message.ctime_ns);
  return {
    key,
    length: message.length,
    // Being deleted: the metaserver removes it and its objects from here on, whatever else it says.
    nlink: (message.dtime ?? 0) > 0 ? 0 : message.nlink,
    mtimeMs,
    // A program may set mtime to any past; ctime tells when.
    ...(ctimeMs === mtimeMs ? {} : { changedMs: ctimeMs }),
    type: TYPES.get(message.type) ?? String(message.type),
  };
}

function timeMs(seconds: bigint, nanoseconds: number): number {
  return Number(seconds) * 1000 + Math.floor(nanoseconds / 1e6);
}

/** The chunk indexes and lists of an inode. Throws `inode-malformed` (halt) for an index beyond 2^53. */
export function toChunkLists(key: InodeKey, message: InodeMessage): ReadonlyMap<number, readonly S3ChunkInfo[]> {
  const lists = new Map<number, readonly S3ChunkInfo[]>();
  for (const [index, { s3Chunks }] of message.s3ChunkInfoMap) {
    if (index > BigInt(Number.MAX_SAFE_INTEGER)) throw inodeMalformed(key, `it has a chunk of the number ${index}`);
    if (s3Chunks.length > 0) lists.set(Number(index), s3Chunks);
  }
  return lists;
}

/** The list to remove: the metaserver looks at its first and last chunkId, its lowest and highest, and at its length. */
export function toRemoveList(versions: readonly S3ChunkInfo[]): S3ChunkInfoList {
  return { s3Chunks: versions.toSorted((a, b) => (a.chunkId < b.chunkId ? -1 : a.chunkId > b.chunkId ? 1 : 0)) };
}

/** Throws `filesystem-malformed` (halt) for one that is not kept in S3, not ready, or of a shape that no reader knows. */
export function toFilesystem(info: FsInfo, endpointGiven: string | undefined): Filesystem {
  const { fsId, fsName, fsType, status, detail } = info;
  if (status !== 'INITED') {
    throw filesystemMalformed(fsId, `("${fsName}") is ${status}, not INITED: it is being made or deleted`);
  }
  const { s3Info } = detail;
  if (fsType !== 'TYPE_S3' || s3Info === undefined) {
    throw filesystemMalformed(fsId, `("${fsName}") is of type ${fsType}, not TYPE_S3: there is nothing to compact`);
  }
  const { blockSize, chunkSize, bucketname: bucket } = s3Info;
  if (!isSize(blockSize) || !isSize(chunkSize) || chunkSize % blockSize !== 0) {
    throw filesystemMalformed(
      fsId,
      `("${fsName}") has blocks of ${blockSize} and chunks of ${chunkSize} bytes, which do not fit`,
    );
  }
  const endpoint = endpointGiven ?? endpointUrl(s3Info.endpoint);
  return {
    fsId,
    name: fsName,
    bucket,
    blockSize,
    chunkSize,
    uuid: identity(info),
    objectPrefix: prefixOf(s3Info.objectPrefix ?? 0),
    // An MDS keeps its ids by Raft, and never gives one out twice.
    lastChunkId: UINT64_MAX,
    endpoint,
  };
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

/** CurveFS: 0 flat, 1 by inode id, any other by its remainder. */
function prefixOf(objectPrefix: number): ObjectPrefix {
  return objectPrefix === 0 || objectPrefix === 1 ? objectPrefix : 2;
}

/** CurveFS takes an endpoint without a scheme for http. */
function endpointUrl(endpoint: string): string | undefined {
  if (endpoint === '') return undefined;
  return /^https?:\/\//.test(endpoint) ? endpoint : `http://${endpoint}`;
}

/** CurveFS has no uuid of a file system; what makes its object names its own stands in for one. */
function identity({ fsId, fsName, detail }: FsInfo): string {
  const own = [fsId, fsName, detail.s3Info?.bucketname, detail.s3Info?.blockSize, detail.s3Info?.chunkSize];
  return createHash('sha256').update(JSON.stringify(own)).digest('hex').slice(0, 32);
}
