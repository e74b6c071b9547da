/**
 * `s3compact inspect FS INODE`: the lists as they are: versions, valid ranges, the block map and what a full read costs.
 * It reads metadata only, draws even what the planner would refuse, and says what is wrong with it.
 */
import type { Command } from 'commander';
import { printInodeKey } from '../format.ts';
import { requireFile, requireFilesystem } from '../metadata/lookup.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { Filesystem, Inode, InodeKey } from '../model.ts';
import { addCounts } from '../plan/index.ts';
import { bytes, changedText, count, plural, wasteText } from '../view/words.ts';
import { inodeNumber, parseCount, parseLimit, withFileArguments } from './arguments.ts';
import type { CliContext } from './context.ts';
import {
  type ChunkInspection,
  filesystemReport,
  type InspectedChunk,
  inodeReport,
  inspectChunk,
} from './inspect-report.ts';
import { EXIT, type ExitCode, UsageError } from './output.ts';
import { drawChunk } from './picture.ts';
import { type QuarantineState, quarantineLines, quarantineOf } from './quarantine-note.ts';
import { left, table, wrapped } from './table.ts';

/** Rows of each list, and chunks, shown unless `--limit` says otherwise. */
const ROWS_SHOWN = 20;

interface InspectOptions {
  /** Rows of each list and chunks to show; absent: ROWS_SHOWN for people, all for programs. */
  readonly limit?: number;
  readonly chunk?: number;
}

const NO_READ = { gets: 0, dataBytes: 0, versions: 0, objects: 0, storedBytes: 0 };
/** Over all chunks, shown or not. */
type Total = typeof NO_READ & { readonly chunks: number; readonly faults: number };

const HELP = `
Reads metadata only and changes nothing. A list that breaks the format is shown as far as it goes (exit code 4).

With --json: {filesystem, inode, quarantine: {code, reason, sinceMs} | null | 'unknown', total: {chunks, faults, gets, dataBytes, versions, objects, storedBytes},
  chunks: [{chunkIndex, versionsTotal, versionsRead, rangesTotal, readCost, fault: {code, message},
            versions: [{position, chunkId, compaction, offset, len, size, zero, visibleBytes, fault}],
            ranges: [{begin, end, version, zero}]}]}
  Offsets and sizes in bytes; ids as decimal text; lists whole unless --limit is given.
Of a JuiceFS volume: {volume, file: {inodeId, path, length, mtimeMs, nlink, state}, total: {chunks, faults, …},
  chunks: [{chunkIndex, recordsTotal, fault, records: [{position, offset, len, id, size, from, references}],
            pieces: [{begin, end, position, id, size, from}], footprint: as total}]}`;

export function register(command: Command, context: CliContext): void {
  withFileArguments(command)
    .option('--chunk <index>', 'show this chunk only', parseCount)
    .option(
      '--limit <count>',
      `rows of each list, and chunks, to show; 0 means all (default: ${ROWS_SHOWN})`,
      parseLimit,
    )
    .addHelpText('after', HELP)
    .action(async (fsId: number, inode: bigint | string, options: InspectOptions) => {
      context.exitCode = await context.byLayout({
        blocks: () => {
          const key = { fsId, inodeId: inodeNumber(inode) };
          return context.withInode(key, (metadata) => showInode(key, metadata, { context, options }));
        },
        slices: async () => {
          const { inspectSlices } = await import('./slices/inspect.ts');
          return inspectSlices(fsId, inode, { context, options: { ...options, limit: limitOf(options, context) } });
        },
      });
    });
}

/** Rows to show. */
function limitOf({ limit }: InspectOptions, { json }: CliContext): number {
  return limit ?? (json ? Number.POSITIVE_INFINITY : ROWS_SHOWN);
}

async function showInode(
  key: InodeKey,
  metadata: MetadataStore,
  { context, options }: { readonly context: CliContext; readonly options: InspectOptions },
): Promise<ExitCode> {
  const filesystem = await requireFilesystem(metadata, key.fsId);
  const inode = await requireFile(metadata, key);
  const limit = limitOf(options, context);
  const indexes = await wantedChunks(key, metadata, options);
  const quarantine = await quarantineOf(key, metadata.storeId, context.settings);
  if (!context.json) context.data([headText(inode, filesystem, context), ...stopsOf(inode, quarantine)].join('\n'));
  const shown: ChunkInspection[] = [];
  let total: Total = { chunks: 0, faults: 0, ...NO_READ };
  for (const chunkIndex of indexes) {
    const chunk = await inspectChunk(key, chunkIndex, { metadata, filesystem, length: inode.length, rowsMax: limit });
    const { fault, readCost, versionsTotal } = chunk.report;
    const cost = readCost ?? { ...NO_READ, versions: versionsTotal };
    total = addCounts(total, { chunks: 1, faults: fault === undefined ? 0 : 1, ...cost });
    if (total.chunks > limit) continue;
    if (context.json) shown.push(chunk.report);
    else context.data(`\n${chunkText(chunk, context)}`);
  }
  if (context.json) {
    const of = { filesystem: filesystemReport(filesystem), inode: inodeReport(inode), quarantine };
    context.dataJson({ ...of, total, chunks: shown });
  } else {
    const text = totalText(total, context, limit);
    if (text !== '') context.data(`\n${text}`);
  }
  return total.faults > 0 ? EXIT.halted : EXIT.done;
}

/** All chunks in ascending order, or the one that was asked for. Throws UsageError when that has no list. */
async function wantedChunks(
  key: InodeKey,
  metadata: MetadataStore,
  options: InspectOptions,
): Promise<readonly number[]> {
  const indexes: number[] = [];
  for await (const chunkIndex of metadata.chunkIndexes(key)) indexes.push(chunkIndex);
  if (options.chunk === undefined) return indexes.sort((a, b) => a - b);
  if (indexes.includes(options.chunk)) return [options.chunk];
  throw new UsageError(
    `--chunk ${options.chunk}: inode ${printInodeKey(key)} has no list for it, so it reads as zeros; ${plural(indexes.length, 'chunk')} of it have one`,
  );
}

function headText(inode: Inode, filesystem: Filesystem, context: CliContext): string {
  const { bold, dim } = context.colors;
  const fence = inode.attempt === undefined ? '' : `, attempt ${inode.attempt} under way`;
  const changed = changedText(inode.mtimeMs);
  return [
    bold(
      `inode ${printInodeKey(inode.key)}: ${bytes(inode.length)}, ${changed}, ${plural(inode.nlink, 'link')}${fence}`,
    ),
    dim(
      `file system ${filesystem.name || filesystem.fsId}, bucket ${filesystem.bucket}, chunks of ${bytes(filesystem.chunkSize)}, blocks of ${bytes(filesystem.blockSize)}, object prefix ${filesystem.objectPrefix}`,
    ),
  ].join('\n');
}

/** Why nothing works on this inode, if so. */
function stopsOf(inode: Inode, quarantine: QuarantineState): string[] {
  const unlinked =
    inode.nlink > 0 ? [] : [' it is unlinked: its owner removes it and its objects, nothing works on it'];
  return [...unlinked, ...quarantineLines(quarantine)];
}

function chunkText({ report, input }: InspectedChunk, context: CliContext): string {
  const { red, dim } = context.colors;
  const parts: string[] = [];
  if (input !== undefined) parts.push(drawChunk(input, context.picture));
  else parts.push(red(`chunk ${report.chunkIndex}: ${report.fault?.message ?? 'cannot be shown'}`));
  if (report.versions.length > 0) parts.push(versionsText(report, context));
  if (report.ranges.length > 0) parts.push(rangesText(report, context));
  if (report.readCost !== undefined) parts.push(` ${readText(report.readCost)}`);
  if (report.versionsTotal > report.versionsRead && report.fault === undefined) {
    parts.push(
      dim(` only the first ${count(report.versionsRead)} of ${count(report.versionsTotal)} versions were read`),
    );
  }
  return parts.join('\n\n');
}

/** The newest last, as in the list: precedence is the position. */
function versionsText(report: ChunkInspection, context: CliContext): string {
  const { red } = context.colors;
  const columns = ['version', 'chunk id', 'compaction', 'offset', 'length', 'visible', wrapped('')];
  const lines = report.versions.map((version) => [
    count(version.position),
    version.chunkId.toString(),
    version.compaction.toString(),
    count(version.offset),
    bytes(version.len),
    version.visibleBytes === undefined ? '?' : version.visibleBytes === 0 ? 'none' : bytes(version.visibleBytes),
    version.fault === undefined ? (version.zero ? 'zeros' : '') : red(version.fault),
  ]);
  return table(columns, lines, context.style) + cutNote(report.versionsTotal, lines.length, context);
}

function rangesText(report: ChunkInspection, context: CliContext): string {
  const columns = ['range from', 'to', 'bytes', 'version', left('')];
  const lines = report.ranges.map((range) => [
    count(range.begin),
    count(range.end),
    bytes(range.end - range.begin),
    count(range.version),
    range.zero ? 'zeros' : '',
  ]);
  return table(columns, lines, context.style) + cutNote(report.rangesTotal, lines.length, context);
}

function cutNote(total: number, shown: number, context: CliContext): string {
  return total > shown ? context.colors.dim(`\n … ${count(total - shown)} more (--limit 0 shows all)`) : '';
}

function readText(cost: typeof NO_READ): string {
  const waste = wasteText(cost.storedBytes, cost.dataBytes);
  return `a full read takes ${plural(cost.gets, 'GET')} for ${bytes(cost.dataBytes)}; stored are ${bytes(cost.storedBytes)} in ${plural(cost.objects, 'object')} of ${plural(cost.versions, 'version')}, ${waste} times what is visible`;
}

function totalText(total: Total, context: CliContext, limit: number): string {
  const { bold, dim, red } = context.colors;
  if (total.chunks === 0) return 'no chunk has a list: the file reads as zeros';
  const hidden = total.chunks - limit;
  // A single chunk has it already.
  if (total.chunks === 1 && total.faults === 0) return '';
  return [
    ...(hidden > 0 ? [dim(`${plural(hidden, 'more chunk')} not shown (--chunk N shows one, --limit 0 all)`)] : []),
    bold(`${plural(total.chunks, 'chunk')}: ${readText(total)}`),
    ...(total.faults > 0
      ? [red(`${plural(total.faults, 'list')} broken: the inode needs a person, nothing works on it until then`)]
      : []),
  ].join('\n');
}
