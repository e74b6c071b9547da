/**
 * What `inspect` finds in one chunk list, as plain data: versions with their visible bytes, valid ranges, what a read
 * costs, and what is wrong. It stands alone so that the text and the JSON say the same. Faulty lists are reported, never
 * mended: what cannot be known of them is absent.
 */
import { CompactError } from '../errors.ts';
import type { ChunkSnapshot, MetadataStore } from '../metadata/port.ts';
import type { Filesystem, Inode, InodeKey, S3ChunkInfo, ValidRange } from '../model.ts';
import { type ChunkInput, checkChunkList, type ReadCost, readCost, validRanges, versionFault } from '../plan/index.ts';
import { redactUrl } from '../redact.ts';

/** Versions of one list that are read: lists of this length occur, and it takes some 600 MiB (I8). */
const INSPECT_VERSIONS_MAX = 1_000_000;

interface VersionReport extends S3ChunkInfo {
  /** In the list, from 0; the last one wins. */
  readonly position: number;
  /** Bytes of it that a reader sees; absent in a faulty list. */
  readonly visibleBytes?: number;
  readonly fault?: string;
}

export interface ChunkInspection {
  readonly chunkIndex: number;
  readonly versionsTotal: number;
  /** Versions of the list that could be read. */
  readonly versionsRead: number;
  readonly rangesTotal: number;
  /** The first of them, then those with a fault, each at most as many as asked for. */
  readonly versions: readonly VersionReport[];
  readonly ranges: readonly (ValidRange & { readonly zero: boolean })[];
  /** Absent in a faulty list. */
  readonly readCost?: ReadCost;
  readonly fault?: { readonly code: string; readonly message: string };
}

/** A chunk's list with what it takes to draw it; `input` is absent where nothing can be drawn. */
export interface InspectedChunk {
  readonly report: ChunkInspection;
  readonly input?: ChunkInput;
}

interface InspectInput {
  readonly metadata: MetadataStore;
  readonly filesystem: Filesystem;
  /** Of the inode, bytes. */
  readonly length: number;
  /** Most rows of each list in the report. */
  readonly rowsMax: number;
}

/** Reads and judges one chunk. Throws only what says nothing about the list: the store is not there, or refuses. */
export async function inspectChunk(key: InodeKey, chunkIndex: number, from: InspectInput): Promise<InspectedChunk> {
  const read = (versionsMax: number) => readOrFault(key, chunkIndex, { metadata: from.metadata, versionsMax });
  const whole = await read(INSPECT_VERSIONS_MAX);
  const list = whole instanceof CompactError ? await readablePart(read) : whole;
  const input = { geometry: from.filesystem, chunkIndex, versions: list.versions, length: from.length };
  const fault = whole instanceof CompactError ? whole : listFault(input);
  const base = { chunkIndex, versionsTotal: list.versionsTotal, versionsRead: list.versions.length };
  if (fault === null) return { report: { ...base, ...soundReport(input, from.rowsMax) }, input };
  const { code, message } = fault;
  const versions = faultyVersions(input, from.rowsMax);
  return { report: { ...base, rangesTotal: 0, versions, ranges: [], fault: { code, message } } };
}

type ListRead = Pick<ChunkSnapshot, 'versions' | 'versionsTotal'>;

/** The head of the list, or the error that tells which record does not parse. */
async function readOrFault(
  key: InodeKey,
  chunkIndex: number,
  how: { readonly metadata: MetadataStore; readonly versionsMax: number },
): Promise<ListRead | CompactError> {
  try {
    return await how.metadata.readChunk(key, chunkIndex, how.versionsMax);
  } catch (error) {
    if (error instanceof CompactError && error.code === 'record-malformed') return error;
    throw error;
  }
}

/** The versions before the first one that does not parse, found by halving: some 20 reads. */
async function readablePart(read: (versionsMax: number) => Promise<ListRead | CompactError>): Promise<ListRead> {
  let best: ListRead = { versions: [], versionsTotal: 0 };
  let readable = 0;
  let unreadable = INSPECT_VERSIONS_MAX;
  while (unreadable - readable > 1) {
    const middle = Math.floor((readable + unreadable) / 2);
    const part = await read(middle);
    if (part instanceof CompactError) {
      unreadable = middle;
    } else {
      best = part;
      readable = middle;
    }
  }
  return best;
}

function listFault(input: ChunkInput): CompactError | null {
  try {
    checkChunkList(input.versions, input.chunkIndex, input.geometry);
    return null;
  } catch (error) {
    if (error instanceof CompactError) return error;
    throw error;
  }
}

function soundReport(
  input: ChunkInput,
  rowsMax: number,
): Pick<ChunkInspection, 'rangesTotal' | 'versions' | 'ranges' | 'readCost'> {
  const { chunkIndex, versions } = input;
  const begin = chunkIndex * input.geometry.chunkSize;
  const end = Math.min(begin + input.geometry.chunkSize, input.length);
  const ranges = validRanges(versions, { begin, end });
  const visible = new Float64Array(versions.length);
  for (const range of ranges) visible[range.version] = (visible[range.version] ?? 0) + range.end - range.begin;
  return {
    rangesTotal: ranges.length,
    versions: versions
      .slice(0, rowsMax)
      .map((version, position) => ({ ...versionReport(version, position), visibleBytes: visible[position] ?? 0 })),
    ranges: ranges.slice(0, rowsMax).map((range) => ({ ...range, zero: versions[range.version]?.zero ?? false })),
    readCost: readCost(input),
  };
}

/** The head of the list, then the faulty ones behind it. */
function faultyVersions(input: ChunkInput, rowsMax: number): VersionReport[] {
  const begin = input.chunkIndex * input.geometry.chunkSize;
  const end = begin + input.geometry.chunkSize;
  const rows: VersionReport[] = [];
  for (const [position, version] of input.versions.entries()) {
    const fault = versionFault(version, begin, end);
    if (position < rowsMax || fault !== null) {
      rows.push({ ...versionReport(version, position), ...(fault === null ? {} : { fault }) });
    }
    if (rows.length >= 2 * rowsMax) break;
  }
  return rows;
}

function versionReport(version: S3ChunkInfo, position: number): VersionReport {
  const { chunkId, compaction, ...rest } = version;
  return { position, chunkId, compaction, ...rest };
}

/** An inode for programs. */
export function inodeReport({ key: { fsId, inodeId }, attempt, ...rest }: Inode) {
  return { fsId, inodeId, ...rest, attempt };
}

/** A file system for programs; its endpoint without a password. */
export function filesystemReport({ endpoint, lastChunkId, keepsCrc32c: _, storageClass: __, ...rest }: Filesystem) {
  return { ...rest, endpoint: endpoint === undefined ? undefined : redactUrl(endpoint), lastChunkId };
}
