/**
 * Hash fields and list elements of the Redis metadata format as model data, checked. It stands alone so that
 * the adapter holds only commands. Whatever breaks the format is refused by name, never repaired by guessing.
 */
import { CompactError, type ErrorCode } from '../../errors.ts';
import { decimalId, decimalNumber, parseRecord, printInodeKey } from '../../format.ts';
import type { Filesystem, Inode, InodeKey, ObjectPrefix, S3ChunkInfo } from '../../model.ts';

export type Fields = ReadonlyMap<string, string>;

/** Largest chunk: block indexes and piece sizes stay far below every limit of the object store. */
const CHUNK_SIZE_MAX = 4 * 2 ** 30;
const PREFIXES: readonly ObjectPrefix[] = [0, 1, 2];

/** The pairs of a flat HGETALL answer. */
export function fieldsOf(flat: readonly string[]): Fields {
  const fields = new Map<string, string>();
  for (let n = 0; n + 1 < flat.length; n += 2) fields.set(flat[n] ?? '', flat[n + 1] ?? '');
  return fields;
}

/** Where a hash was found, for messages. */
interface Place {
  readonly redisKey: string;
  readonly fields: Fields;
}

/** A file system from its hash. Throws `filesystem-malformed` (halt). */
export function parseFilesystem(fsId: number, redisKey: string, fields: Fields): Filesystem {
  const place = { redisKey, fields };
  const refuse = (field: string, rule: string) => malformed(place, field, { rule, code: 'filesystem-malformed' });
  const text = (field: string) => {
    const value = fields.get(field);
    if (value === undefined || value === '') throw refuse(field, 'must be there and not empty');
    return value;
  };
  const blockSize = decimalNumber(fields.get('blockSize'));
  if (blockSize === null || blockSize < 1) throw refuse('blockSize', 'must be a decimal number of bytes, at least 1');
  const chunkSize = decimalNumber(fields.get('chunkSize'));
  if (chunkSize === null || chunkSize < 1 || chunkSize % blockSize !== 0 || chunkSize > CHUNK_SIZE_MAX) {
    throw refuse('chunkSize', `must be a multiple of blockSize (${blockSize}), at most ${CHUNK_SIZE_MAX} bytes`);
  }
  const objectPrefix = PREFIXES.find((prefix) => String(prefix) === fields.get('objectPrefix'));
  if (objectPrefix === undefined) throw refuse('objectPrefix', 'must be 0, 1 or 2');
  const nextChunkId = fields.get('nextChunkId');
  const lastChunkId = decimalId(nextChunkId);
  if (nextChunkId !== undefined && lastChunkId === null) throw refuse('nextChunkId', 'must be decimal');
  return {
    fsId,
    uuid: text('uuid'),
    name: text('name'),
    bucket: text('bucket'),
    blockSize,
    chunkSize,
    objectPrefix,
    ...(fields.has('endpoint') ? { endpoint: text('endpoint') } : {}),
    ...(fields.has('region') ? { region: text('region') } : {}),
    // Writers take the field's next value: what it holds is the last one that was taken.
    ...(lastChunkId === null ? {} : { lastChunkId }),
  };
}

/** An inode from its hash. Throws `inode-malformed` (halt). */
export function parseInode(key: InodeKey, redisKey: string, fields: Fields): Inode {
  const place = { redisKey, fields };
  const refuse = (field: string, rule: string) =>
    malformed(place, field, { rule, code: 'inode-malformed', inode: key });
  const number = (field: string) => {
    const value = decimalNumber(fields.get(field));
    if (value === null) throw refuse(field, 'must be decimal, from 0 to 2^53-1');
    return value;
  };
  const type = fields.get('type');
  if (type === undefined || type === '') throw refuse('type', 'must be there and not empty');
  const inode = { key, length: number('length'), nlink: number('nlink'), mtimeMs: number('mtimeMs'), type };
  if (!fields.has('attempt')) return inode;
  const attempt = decimalId(fields.get('attempt'));
  if (attempt === null) throw refuse('attempt', 'must be decimal, from 0 to 2^64-1');
  return { ...inode, attempt };
}

function malformed(
  place: Place,
  field: string,
  { rule, code, inode }: { readonly rule: string; readonly code: ErrorCode; readonly inode?: InodeKey },
): CompactError {
  const value = place.fields.get(field);
  const found = value === undefined ? 'is missing' : `is ${JSON.stringify(value.slice(0, 200))}`;
  return new CompactError(
    `the field ${field} of the hash ${place.redisKey} ${found}, but it ${rule}; nothing was changed`,
    { kind: 'halt', code, inode },
  );
}

/** The versions of a list, from its head. Throws `record-malformed` (halt) with the place of the first that is none. */
export function parseRecords(
  key: InodeKey,
  list: { readonly redisKey: string; readonly chunkIndex: number },
  records: readonly string[],
): readonly S3ChunkInfo[] {
  return records.map((record, position) => {
    try {
      return parseRecord(record);
    } catch (error) {
      if (!(error instanceof CompactError)) throw error;
      throw new CompactError(
        `inode ${printInodeKey(key)}, chunk ${list.chunkIndex}, position ${position} of the list ${list.redisKey}: ${error.message}`,
        { kind: error.kind, code: error.code, inode: key },
      );
    }
  });
}

/** A member of the set of chunk indexes. Throws `inode-malformed` (halt). */
export function parseChunkIndex(key: InodeKey, redisKey: string, member: string): number {
  const chunkIndex = decimalNumber(member);
  if (chunkIndex !== null) return chunkIndex;
  throw new CompactError(
    `the set ${redisKey} of inode ${printInodeKey(key)} has the member ${JSON.stringify(member.slice(0, 200))}, which is no chunk index; nothing was changed`,
    { kind: 'halt', code: 'inode-malformed', inode: key },
  );
}
