/**
 * repair: merged objects that the store acknowledged and did not keep are made again from the objects that they replaced,
 * which their reap record keeps. Bytes and names are the same as before, so no list changes. It writes only objects that are
 * not there, deletes nothing, and makes nothing where any source is missing.
 */
import { CompactError, isMissingObject } from '../errors.ts';
import { objectName, parseRecord } from '../format.ts';
import type { ReapRecord, ReapRecords } from '../ledger.ts';
import { COMMIT_VERSIONS_MAX } from '../metadata/port.ts';
import type { InodeKey, S3ChunkInfo } from '../model.ts';
import { outside } from '../outside.ts';
import { checkChunkList, objectSizes, visibleBlocks } from '../plan/index.ts';
import type { FsckDeps } from './check-chunk.ts';

interface RepairDeps extends FsckDeps {
  readonly records: ReapRecords;
}

/** What became of one object that the store lacks. `can`: a dry run. */
export interface Repaired {
  readonly object: string;
  readonly chunkIndex: number;
  readonly outcome: 'made' | 'can' | 'cannot';
  /** For people. */
  readonly detail: string;
}

/** A merged object that a list references, and the store has not, or not whole. */
interface Lost {
  readonly name: string;
  readonly chunkIndex: number;
  readonly blockIndex: number;
  /** File offsets of its bytes. */
  readonly begin: number;
  readonly end: number;
  /** Bytes that there are; `null`: none. */
  readonly bytes: number | null;
}

/** Makes the lost objects of an inode again, or only tells which it can. One by one: memory holds one object. */
export async function* repairInode(
  key: InodeKey,
  deps: RepairDeps,
  options: { readonly dryRun: boolean },
): AsyncGenerator<Repaired> {
  const records = Map.groupBy(await recordsOf(key, deps.records), ({ chunkIndex }) => chunkIndex);
  // Those with records first: a broken list of another chunk ends the work, and must not keep these from being made.
  for (const [chunkIndex, ofChunk] of records) yield* repairChunk(chunkIndex, ofChunk, { ...deps, ...options, key });
  for await (const chunkIndex of deps.metadata.chunkIndexes(key)) {
    if (!records.has(chunkIndex)) yield* repairChunk(chunkIndex, [], { ...deps, ...options, key });
  }
}

async function* repairChunk(
  chunkIndex: number,
  records: readonly ReapRecord[],
  deps: Repairing,
): AsyncGenerator<Repaired> {
  for await (const lost of lostObjects(chunkIndex, deps)) yield await repair(lost, records, deps);
}

async function recordsOf(key: InodeKey, records: ReapRecords): Promise<ReapRecord[]> {
  const own: ReapRecord[] = [];
  for await (const record of records.pending()) {
    if (record.key.fsId === key.fsId && record.key.inodeId === key.inodeId) own.push(record);
  }
  return own;
}

async function* lostObjects(
  chunkIndex: number,
  { key, metadata, objects, filesystem }: Repairing,
): AsyncGenerator<Lost> {
  const { versions } = await metadata.readChunk(key, chunkIndex, COMMIT_VERSIONS_MAX);
  checkChunkList(versions, chunkIndex, filesystem);
  for (const version of versions) {
    if (version.compaction === 0n) continue;
    for (const { object, bytes: needed } of objectSizes([version], filesystem)) {
      const name = objectName(key, object, filesystem.objectPrefix);
      const bytes = (await objects.head(name))?.bytes ?? null;
      if (bytes !== null && bytes >= needed) continue;
      const chunkBegin = chunkIndex * filesystem.chunkSize;
      const begin = Math.max(version.offset, chunkBegin + object.blockIndex * filesystem.blockSize);
      yield { name, chunkIndex, blockIndex: object.blockIndex, begin, end: begin + needed, bytes };
    }
  }
}

/** What is left to do where nothing can be made again. */
const NOT_HERE = 'restore it from a backup, or write the file again';

interface Repairing extends RepairDeps {
  readonly key: InodeKey;
  readonly dryRun: boolean;
}

async function repair(lost: Lost, records: readonly ReapRecord[], deps: Repairing): Promise<Repaired> {
  const { name: object, chunkIndex } = lost;
  const outcomeOf = (outcome: Repaired['outcome'], detail: string) => ({ object, chunkIndex, outcome, detail });
  const own = records.find(({ merged }) => merged.includes(lost.name));
  if (own === undefined) return outcomeOf('cannot', `no pending reap record knows what it replaced: ${NOT_HERE}`);
  const before = listBefore(records.filter(({ attempt }) => attempt === own.attempt));
  if (before === null)
    return outcomeOf('cannot', `its reap records do not have the whole list that it replaced: ${NOT_HERE}`);
  if (lost.bytes !== null) return outcomeOf('cannot', `it has only ${lost.bytes} bytes; delete it by hand and repeat`);
  try {
    const body = await bytesOf(lost, before, deps);
    if (deps.dryRun) return outcomeOf('can', `${body.length} bytes, from the objects that it replaced`);
    await deps.objects.putIfAbsent(lost.name, body);
    const kept = (await deps.objects.head(lost.name))?.bytes ?? null;
    if (kept !== body.length) return outcomeOf('cannot', 'the store acknowledged it again and did not keep it');
    return outcomeOf('made', `${body.length} bytes`);
  } catch (error) {
    if (!(error instanceof CompactError) || !isMissingObject(error)) throw error;
    return outcomeOf('cannot', `${error.message}: ${NOT_HERE}`);
  }
}

/** The list that the attempt replaced, of all its records of the chunk; `null` when any part is missing. */
function listBefore(records: readonly ReapRecord[]): readonly S3ChunkInfo[] | null {
  const versions: string[] = [];
  const at = ({ replacedPart }: ReapRecord): number => replacedPart?.from ?? 0;
  let of = 0;
  for (const record of records.toSorted((a, b) => at(a) - at(b))) {
    const { replaced, replacedPart } = record;
    // A record may have been written twice; its part counts once.
    if (replaced === undefined || at(record) > versions.length) return null;
    if (at(record) < versions.length) continue;
    versions.push(...replaced);
    of = replacedPart?.of ?? replaced.length;
  }
  return versions.length === of && of > 0 ? versions.map(parseRecord) : null;
}

/** What the list read as between these offsets, up to the end of the chunk; what nothing covers is zero. */
async function bytesOf(
  { chunkIndex, blockIndex, begin, end }: Lost,
  versions: readonly S3ChunkInfo[],
  { key, filesystem, objects }: Repairing,
): Promise<Uint8Array> {
  checkChunkList(versions, chunkIndex, filesystem);
  const body = new Uint8Array(end - begin);
  const length = (chunkIndex + 1) * filesystem.chunkSize;
  for (const block of visibleBlocks({ geometry: filesystem, chunkIndex, versions, length })) {
    if (block.blockIndex !== blockIndex) continue;
    for (const piece of block.data) {
      const from = Math.max(piece.begin, begin);
      const to = Math.min(piece.end, end);
      if (from >= to) continue;
      const { chunkId, compaction, offset } = versions[piece.version] ?? outside();
      const name = objectName(key, { chunkId, compaction, blockIndex }, filesystem.objectPrefix);
      const objectBegin = Math.max(offset, block.begin);
      await objects.getRange(name, from - objectBegin, body.subarray(from - begin, to - begin));
    }
  }
  return body;
}
