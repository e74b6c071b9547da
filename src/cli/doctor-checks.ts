/**
 * The questions of `s3compact doctor`, each with its answer and, where something is wrong, what to do about it. Apart from
 * the command because each check must end by itself, whatever is down. No check here writes; no secret gets into a text.
 */
import type { Settings } from '../config/index.ts';
import { CurvefsMetadata } from '../metadata/curvefs/curvefs.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { Filesystem, S3ChunkInfo } from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import type { Logger } from '../observe/log.ts';
import { connectRedis } from '../redis/client.ts';
import { whenReady } from '../redis/link.ts';
import { CURVEFS_SCHEME } from '../urls/curvefs.ts';
import { bytes, plural } from '../view/words.ts';
import { keysFrom, openObjects, openOwnership } from '../wiring/clients.ts';
import { openMetadata } from '../wiring/open-metadata.ts';
import { type Ask, type Check, type Found, failed, notAsked, ok, redisFound, warning } from './doctor-check.ts';
import { settingsChecks, writeChecks } from './doctor-store.ts';

/** Files that are looked at for traces of the built-in compactor. */
const SAMPLE_FILES = 200;
/** The built-in compactor takes the number after that of what it replaces: 1 and so on where that was a client's … */
const BUILT_IN_COMPACTION_MAX = 1n << 40n;
/** … and an odd one where it was ours (docs/adr/0017). */
const isBuiltIn = ({ compaction }: S3ChunkInfo): boolean =>
  compaction > 0n && (compaction < BUILT_IN_COMPACTION_MAX || compaction % 2n === 1n);
/** Smaller blocks make an object of a few kilobytes each; CurveFS's own default is 4 MiB. */
const BLOCK_BYTES_USUAL = 64 * 1024;
/** More blocks in a chunk make large plans. */
const BLOCKS_PER_CHUNK_USUAL = 4096;

const BUILT_IN_OFF =
  'put s3compactwq.enable=False into metaserver.conf of every metaserver and restart them one after the other: the two compactors would give new objects the same names';

interface Asking {
  readonly settings: Settings;
  readonly log: Logger;
  readonly ask: Ask;
  /** With objects of its own in the bucket. */
  readonly write: boolean;
}

export async function runChecks(fsId: number, { settings, log, ask, write }: Asking): Promise<readonly Check[]> {
  const { redisUrl, metadataUrl, redisTimeoutMs: timeoutMs, graceMs } = settings;
  const fit = { timeoutMs, graceMs };
  const checks: Check[] = [await ask('queue', () => redisFound(redisUrl, { name: "queue's", ...fit }))];
  const isCurvefs = metadataUrl.startsWith(CURVEFS_SCHEME);
  if (!isCurvefs) checks.push(await ask('metadata', () => redisFound(metadataUrl, { name: 'metadata', ...fit })));
  const metadata = await openMetadata(settings);
  const objects = openObjects(settings, log, { keys: keysFrom(metadata) });
  try {
    if (metadata instanceof CurvefsMetadata) checks.push(await ask('mds', () => mdsFound(metadata)));
    let known: Filesystem | null | undefined;
    const found = await ask('file system', async () => {
      known = await metadata.getFilesystem(fsId);
      return filesystemFound(fsId, known, metadata);
    });
    checks.push(found);
    const filesystem = known ?? null;
    if (filesystem === null) {
      const behind = [...(isCurvefs ? ['metaservers', 'built-in compactor'] : []), 'bucket', 'owner'];
      const service = isCurvefs ? 'metadata service' : 'metadata Redis';
      return [...checks, ...behind.map((check) => notAsked(check, found, service))];
    }
    if (metadata instanceof CurvefsMetadata) {
      checks.push(await ask('metaservers', () => metaserversFound(fsId, metadata)));
      checks.push(await ask('built-in compactor', () => builtInFound(fsId, metadata)));
    }
    const bucket = await ask('bucket', () => bucketFound(filesystem, objects));
    checks.push(bucket, ...(bucket.status === 'ok' ? await storeChecks(filesystem, { objects, write }) : []));
    checks.push(
      bucket.mayPass === true
        ? notAsked('owner', bucket, 'store')
        : await ask('owner', () => ownerFound(filesystem, settings, { metadata, objects })),
    );
    return checks;
  } finally {
    objects.close();
    await metadata.close();
  }
}

async function mdsFound(metadata: CurvefsMetadata): Promise<Found> {
  const found = await metadata.filesystems();
  const names = found.slice(0, 10).map(({ fsId, fsName }) => `${fsId} (${fsName})`);
  const more = found.length > names.length ? `, and ${found.length - names.length} more` : '';
  return ok(`an MDS leads and knows ${plural(found.length, 'file system')}: ${names.join(', ')}${more}`);
}

function filesystemFound(fsId: number, filesystem: Filesystem | null, { storeId }: MetadataStore): Found {
  if (filesystem === null) {
    const hasPrefix = storeId.startsWith('redis:');
    const advice = `check the number${hasPrefix ? ', METADATA_URL and METADATA_PREFIX' : ' and METADATA_URL'}`;
    return failed(`there is no file system ${fsId}`, advice);
  }
  const { name, bucket, blockSize, chunkSize } = filesystem;
  const found = `${name} in bucket ${bucket}: blocks of ${bytes(blockSize)} in chunks of ${bytes(chunkSize)}`;
  const unusual = blockSize < BLOCK_BYTES_USUAL || chunkSize / blockSize > BLOCKS_PER_CHUNK_USUAL;
  if (!unusual) return ok(found);
  return warning(
    found,
    'so small blocks make very many small objects; this works, but a file system with larger ones works better',
  );
}

async function metaserversFound(fsId: number, metadata: CurvefsMetadata): Promise<Found> {
  const copysets = await metadata.health(fsId);
  const servers = new Set(copysets.flatMap(({ peers }) => peers)).size;
  const led = copysets.filter(({ leader }) => leader !== undefined).length;
  const faults = [...new Set(copysets.flatMap((copyset) => copyset.faults))];
  const found = `${plural(servers, 'metaserver')} keep ${plural(copysets.length, 'copyset')}, ${led} with a known leader`;
  if (faults.length === 0 && led > 0) return ok(found);
  const shown = `${found}; ${faults.slice(0, 5).join('; ')}`;
  const advice = 'look at the metaservers named, and whether this machine reaches their external addresses';
  // A copyset goes on without a minority of its peers.
  if (led === copysets.length && led > 0) return warning(shown, advice);
  return { ...failed(shown, advice), mayPass: true };
}

/** Nothing in the protocol tells whether it is on; what it has written can be recognised by its numbers. */
async function builtInFound(fsId: number, metadata: CurvefsMetadata): Promise<Found> {
  let files = 0;
  let traces = 0;
  for await (const page of metadata.inodePages(fsId)) {
    const keys = page.keys.slice(0, SAMPLE_FILES - files);
    for await (const part of metadata.readLists(keys, 1_000)) {
      files++;
      if ('error' in part) continue;
      const versions = part.chunks.flatMap((chunk) => chunk.versions ?? []);
      if (versions.some(isBuiltIn)) traces++;
    }
    if (files >= SAMPLE_FILES) break;
  }
  if (traces > 0) {
    const found = `${traces} of ${plural(files, 'file')} looked at were compacted by the metaservers at some time; whether they still do, no server tells`;
    return warning(found, `make sure that it is off: ${BUILT_IN_OFF}`);
  }
  const found = `no trace of it in ${plural(files, 'file')}; whether it is on, no server tells`;
  return { ...ok(found), advice: `it must be off: ${BUILT_IN_OFF}` };
}

async function bucketFound(filesystem: Filesystem, objects: ObjectStores): Promise<Found> {
  const page = await objects.forFilesystem(filesystem).list();
  const where = filesystem.endpoint === undefined ? '' : ` at ${new URL(filesystem.endpoint).host}`;
  const content = page.objects.length === 0 ? 'is empty' : 'has objects';
  return ok(`bucket ${filesystem.bucket}${where} can be listed and ${content}`);
}

async function storeChecks(
  filesystem: Filesystem,
  { objects, write }: { readonly objects: ObjectStores; readonly write: boolean },
): Promise<readonly Check[]> {
  const store = objects.forFilesystem(filesystem);
  return [...(await settingsChecks(filesystem, store)), ...(write ? await writeChecks(store) : [])];
}

async function ownerFound(
  filesystem: Filesystem,
  settings: Settings,
  parts: { readonly metadata: MetadataStore; readonly objects: ObjectStores },
): Promise<Found> {
  const connection = connectRedis(settings.redisUrl, { profile: 'producer', timeoutMs: settings.redisTimeoutMs });
  try {
    await whenReady(connection, settings.redisTimeoutMs);
    const queues = { connection, prefix: settings.queuePrefix };
    const found = await openOwnership(settings, { ...parts, queues }).look(filesystem);
    if (found.kind === 'own') return ok('the objects in the bucket are those of this metadata store');
    if (found.kind === 'none') return ok("the objects in the bucket are nobody's yet; the first run claims them");
    return failed(
      `the objects in the bucket belong to ${found.why}`,
      `nothing is compacted or deleted; when nobody else serves them any more, "s3compact adopt ${filesystem.fsId}"`,
    );
  } finally {
    connection.disconnect();
  }
}
