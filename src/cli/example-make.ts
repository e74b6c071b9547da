/**
 * Making the file system of `s3compact example`. Everything is looked at before anything is made, and what is there
 * already, keys or objects, is refused: this must never write over what is somebody's. What it makes carries its mark, so
 * that only that is ever removed (example-remove.ts).
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Settings } from '../config/table.ts';
import { CompactError } from '../errors.ts';
import { ownerObjectName } from '../format.ts';
import type { Filesystem } from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import type { S3ObjectStores } from '../objects/s3/stores.ts';
import { connectRedis } from '../redis/client.ts';
import { FsWriter } from '../writer/fs-writer.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

interface ExampleFile {
  readonly inodeId: bigint;
  readonly what: string;
  /** In the order in which they are made. */
  readonly writes: readonly { readonly offset: number; readonly len: number }[];
}

const APPENDS = 48;
const PAGES = 40;
const PIECES = 32;
const CONNECTIONS = 4;
const PIECE_BYTES = 128 * KIB;

/**
 * What a log, a database and a download in pieces look like when nobody has compacted them; small, so that they are made in
 * seconds on any S3 server.
 */
export const EXAMPLE_FILES: readonly ExampleFile[] = [
  {
    inodeId: 1n,
    what: 'a log: 48 appends of 64 KiB',
    writes: Array.from({ length: APPENDS }, (_, n) => ({ offset: n * 64 * KIB, len: 64 * KIB })),
  },
  {
    inodeId: 2n,
    what: 'a database: 6 MiB, then 40 pages of 16 KiB written over',
    writes: [
      { offset: 0, len: 6 * MIB },
      // A stride that is prime to the number of pages of the file visits them in no order.
      ...Array.from({ length: PAGES }, (_, n) => ({ offset: ((n * 149) % 384) * 16 * KIB, len: 16 * KIB })),
    ],
  },
  {
    inodeId: 3n,
    what: 'a download: 32 pieces of 128 KiB by four connections',
    writes: Array.from({ length: PIECES }, (_, n) => {
      const piece = (n % CONNECTIONS) * (PIECES / CONNECTIONS) + Math.floor(n / CONNECTIONS);
      return { offset: piece * PIECE_BYTES, len: PIECE_BYTES };
    }),
  },
];

/** What the nth write of a file writes: the same at every making, and other bytes for each write. */
export function exampleBytes({ inodeId, writes }: ExampleFile, n: number): Uint8Array {
  const outputLength = writes[n]?.len ?? 0;
  return createHash('shake128', { outputLength }).update(`${inodeId}/${n}`).digest();
}

/** The one writer there is: nothing that compacts has one. */
export function openWriter(settings: Settings, objects: ObjectStores): { writer: FsWriter; close(): void } {
  const timeoutMs = settings.redisTimeoutMs;
  const redis = connectRedis(settings.metadataUrl, { profile: 'metadata', timeoutMs });
  const writer = new FsWriter({ redis, objects, keyPrefix: settings.metadataPrefix, timeoutMs });
  return { writer, close: () => redis.disconnect() };
}

/** Fields of the file system beside those of the format. */
export const MADE_BY = { field: 'madeBy', value: 's3compact example' } as const;
export const MADE_BUCKET = { field: 'madeBucket', value: '1' } as const;

interface ExampleParts {
  readonly writer: FsWriter;
  readonly objects: ObjectStores;
  readonly stores: Pick<S3ObjectStores, 'createBucket'>;
  readonly onWrite: (writes: number) => void;
}

interface MadeFile extends Pick<ExampleFile, 'inodeId' | 'what'> {
  readonly bytes: number;
  readonly versions: number;
}

export interface Made {
  readonly filesystem: Filesystem;
  readonly madeBucket: boolean;
  readonly files: readonly MadeFile[];
}

/** Throws a halt that names what is in the way; nothing was made then. */
export async function makeExample(
  wanted: { readonly fsId: number; readonly name: string; readonly bucket: string },
  parts: ExampleParts,
): Promise<Made> {
  const { lists } = parts.writer;
  const { fsId, name, bucket } = wanted;
  await refuseInodes(fsId, parts.writer);
  const planned = { uuid: randomUUID(), name, bucket };
  const geometry = { blockSize: 4 * MIB, chunkSize: 64 * MIB, objectPrefix: 0 } as const;
  const filesystem = { ...planned, ...geometry, fsId };
  const madeBucket = await isBucketMissing(filesystem, parts.objects);
  // From here on what there is says who made it.
  await lists.createFilesystem(fsId, filesystem, {
    [MADE_BY.field]: MADE_BY.value,
    ...(madeBucket ? { [MADE_BUCKET.field]: MADE_BUCKET.value } : {}),
  });
  if (madeBucket) await parts.stores.createBucket(filesystem);
  let writes = 0;
  const wrote = (): void => parts.onWrite(++writes);
  const files = await Promise.all(EXAMPLE_FILES.map((file) => makeFile(filesystem, file, { ...parts, wrote })));
  return { filesystem, madeBucket, files };
}

async function makeFile(
  { fsId }: Filesystem,
  file: ExampleFile,
  { writer, wrote }: ExampleParts & { readonly wrote: () => void },
): Promise<MadeFile> {
  const key = { fsId, inodeId: file.inodeId };
  await writer.createInode(key);
  let versions = 0;
  for (const [n, { offset }] of file.writes.entries()) {
    versions += (await writer.write(key, offset, exampleBytes(file, n))).length;
    wrote();
  }
  const bytes = Math.max(...file.writes.map(({ offset, len }) => offset + len));
  return { inodeId: file.inodeId, what: file.what, bytes, versions };
}

async function refuseInodes(fsId: number, { lists }: FsWriter): Promise<void> {
  if ((await lists.filesystemFields(fsId)).size > 0) {
    throw refusal(`there is a file system ${fsId} already; choose another number`, 'metadata-refused');
  }
  for (const { inodeId } of EXAMPLE_FILES) {
    if (await lists.hasInode({ fsId, inodeId })) {
      throw refusal(
        `inode ${inodeId} of file system ${fsId} is there already; choose another number`,
        'metadata-refused',
      );
    }
  }
}

/** Whether there is no such bucket. Throws where objects in it could be taken for the example's. */
async function isBucketMissing(filesystem: Filesystem, objects: ObjectStores): Promise<boolean> {
  const { fsId, bucket } = filesystem;
  const store = objects.forFilesystem(filesystem);
  try {
    const owner = await store.head(ownerObjectName(fsId));
    const names = owner === null ? [] : [ownerObjectName(fsId)];
    for (const begin of [`${fsId}_`, `${fsId}/`]) {
      const { objects: found } = await store.list(begin);
      names.push(...found.slice(0, 1).flatMap(({ name }) => (name.startsWith(begin) ? [name] : [])));
    }
    if (names[0] === undefined) return false;
    throw refusal(
      `bucket ${bucket} has objects of a file system ${fsId} already (${names[0]}); choose another number or bucket`,
      'store-refused',
    );
  } catch (error) {
    if (error instanceof CompactError && error.code === 'bucket-missing') return true;
    throw error;
  }
}

function refusal(why: string, code: 'metadata-refused' | 'store-refused'): CompactError {
  return new CompactError(`${why}; nothing was made`, { kind: 'halt', code });
}
