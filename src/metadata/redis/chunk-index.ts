/**
 * Is the set of an inode's chunk indexes the whole truth? Lists and set are changed together; a server that evicts keys, or
 * a hand, may take one and leave the other, and then everything that the lists reference looks unreferenced. Nobody should
 * read the set without this. It changes nothing.
 */
import { CompactError } from '../../errors.ts';
import { decimalNumber, printInodeKey } from '../../format.ts';
import type { InodeKey } from '../../model.ts';
import type { RedisCalls } from './calls.ts';
import type { MetadataScripts } from './scripts.ts';

/** Chunks without a list that are looked for in one call: a file may be one large hole. */
const LOOKED_FOR_PER_CALL = 1_000;
/** … and of one inode; beyond that evenly spread ones: an index that is gone is still found out (I8). */
const LOOKED_FOR_MAX = 10_000;

interface IndexPlace {
  readonly key: InodeKey;
  readonly inodeKey: string;
  readonly filesystemKey: string;
}

/**
 * Throws `inode-malformed` (halt) when a list within the file's length is there and `seen` and the set lack it. Where the set is
 * empty, lists beyond the length count too: a file may have been truncated since its set was lost.
 */
export async function checkIndex(
  { key, inodeKey, filesystemKey }: IndexPlace,
  seen: ReadonlySet<number>,
  { calls, scripts }: { readonly calls: RedisCalls; readonly scripts: MetadataScripts },
): Promise<void> {
  const { redis } = calls;
  const [length, chunkSize] = await Promise.all([
    calls.ask(inodeKey, () => redis.hget(inodeKey, 'length')),
    calls.ask(filesystemKey, () => redis.hget(filesystemKey, 'chunkSize')),
  ]);
  const lacking = lackingIndexes(decimalNumber(length ?? ''), decimalNumber(chunkSize ?? ''), seen);
  const setKey = `${inodeKey}:chunks`;
  for (let from = 0; from < lacking.length; from += LOOKED_FOR_PER_CALL) {
    const indexes = lacking.slice(from, from + LOOKED_FOR_PER_CALL);
    const keys = [setKey, ...indexes.map((index) => `${inodeKey}:${index}`)];
    const found = await calls.ask(setKey, () => scripts.s3compactLostIndex([keys.length, ...keys, ...indexes]));
    if (typeof found !== 'string') continue;
    throw new CompactError(
      `the set ${setKey} of inode ${printInodeKey(key)} lacks chunk ${found}, whose list is there: what its lists reference cannot be known; nothing was changed. Put it back with SADD, and find out who removed it (an eviction policy?)`,
      { kind: 'halt', code: 'inode-malformed', inode: key },
    );
  }
}

/** Chunks within the length that were not seen; none where length or chunk size is not known: who needs them says so. */
function lackingIndexes(length: number | null, chunkSize: number | null, seen: ReadonlySet<number>): number[] {
  if (length === null || chunkSize === null || chunkSize === 0) return [];
  const chunks = Math.max(Math.ceil(length / chunkSize), seen.size === 0 ? LOOKED_FOR_PER_CALL : 0);
  const step = Math.max(1, Math.ceil((chunks - seen.size) / LOOKED_FOR_MAX));
  const lacking: number[] = [];
  for (let index = 0; index < chunks; index += step) if (!seen.has(index)) lacking.push(index);
  return lacking;
}
