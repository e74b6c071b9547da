/**
 * A file system and an inode as something to work on: there, of our kind, alive. Every command and the worker ask here,
 * so a wrong number or a directory gets the same clear answer everywhere.
 */
import { CompactError, type ErrorCode } from '../errors.ts';
import { printInodeKey } from '../format.ts';
import type { Filesystem, Inode, InodeKey } from '../model.ts';
import type { MetadataStore } from './port.ts';

type Filesystems = Pick<MetadataStore, 'getFilesystem' | 'storeId'>;

/** Throws `filesystem-missing` (halt). */
export async function requireFilesystem(metadata: Filesystems, fsId: number): Promise<Filesystem> {
  const filesystem = await metadata.getFilesystem(fsId);
  if (filesystem !== null) return filesystem;
  throw new CompactError(
    `there is no file system ${fsId} in the metadata store ${metadata.storeId}; check the number and ${placeOf(metadata)}`,
    { kind: 'halt', code: 'filesystem-missing' },
  );
}

/** The settings that say where a store keeps its file systems: only Redis has a prefix. */
function placeOf({ storeId }: Pick<MetadataStore, 'storeId'>): string {
  return storeId.startsWith('redis:') ? 'METADATA_URL and METADATA_PREFIX' : 'METADATA_URL';
}

/** A file that is there, linked or not. Throws `inode-missing` or `inode-not-s3` (halt). */
export async function requireFile(metadata: MetadataStore, key: InodeKey): Promise<Inode> {
  const inode = await metadata.getInode(key);
  if (inode === null) throw refusal(key, 'inode-missing', 'does not exist; check the number');
  if (inode.type === 's3') return inode;
  const what = `is of type "${inode.type}", not a file kept in S3; there is nothing to compact`;
  throw refusal(key, 'inode-not-s3', what);
}

/** A file to work on. Throws `inode-missing`, `inode-not-s3` or `inode-unlinked` (halt). */
export async function requireInode(metadata: MetadataStore, key: InodeKey): Promise<Inode> {
  const inode = await requireFile(metadata, key);
  if (inode.nlink > 0) return inode;
  const what = 'is unlinked; its owner removes it and its objects, there is nothing to compact';
  throw refusal(key, 'inode-unlinked', what);
}

function refusal(key: InodeKey, code: ErrorCode, what: string): CompactError {
  return new CompactError(`inode ${printInodeKey(key)} ${what}`, { kind: 'halt', code, inode: key });
}
