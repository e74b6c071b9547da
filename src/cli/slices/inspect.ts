/**
 * `s3compact inspect FS INODE` for a file in the slice layout: its lists as they are, the pieces that a reader sees, the
 * objects, and what a full read costs. It reads metadata only, and shows a damaged list as what it is.
 */
import { CompactError } from '../../errors.ts';
import {
  addFootprint,
  type Footprint,
  footprintOf,
  NO_FOOTPRINT,
  type Piece,
  piecesOf,
  type SliceRecord,
  sliceObject,
} from '../../layout/slices/index.ts';
import type { SliceFile, SliceVolume, VolumeSetting } from '../../metadata/slice-volume.ts';
import { bytes, count, plural } from '../../view/words.ts';
import type { CliContext } from '../context.ts';
import { EXIT, type ExitCode, UsageError } from '../output.ts';
import { table } from '../table.ts';

export interface SliceInspectOptions {
  readonly limit: number;
  readonly chunk?: number;
}

/** A list with what it comes to; `fault`: it cannot be read. */
interface InspectedList {
  readonly chunkIndex: number;
  readonly records: readonly (SliceRecord & { readonly position: number; readonly references: number })[];
  readonly recordsTotal: number;
  readonly pieces: readonly Piece[];
  readonly footprint: Footprint;
  readonly fault?: string;
}

/** Throws CompactError (halt) where there is no such file. */
export async function inspectSlices(
  fsId: number,
  inode: bigint | string,
  { context, options }: { readonly context: CliContext; readonly options: SliceInspectOptions },
): Promise<ExitCode> {
  return context.withVolume(fsId, async (volume, setting) => {
    const file = await fileAt(volume, inode);
    const path = await volume.pathOf(file.inodeId);
    const indexes = await chunksOf(volume, file, options);
    let total = NO_FOOTPRINT;
    let faults = 0;
    const lists: InspectedList[] = [];
    if (!context.json) context.data(headText(file, path, { setting, context }));
    for (const chunkIndex of indexes) {
      const list = await inspectList(volume, { file, chunkIndex, setting, limit: options.limit });
      total = addFootprint(total, list.footprint);
      if (list.fault !== undefined) faults++;
      if (context.json) lists.push(list);
      else if (lists.push(list) <= options.limit) context.data(`\n${listText(list, setting, context)}`);
    }
    const sum = { chunks: indexes.length, faults, ...total };
    if (context.json) {
      const shown = lists.slice(0, options.limit);
      context.dataJson({ volume: setting.volume, file: { ...file, path }, total: sum, chunks: shown });
    } else {
      context.data(`\n${totalText(sum, context)}`);
    }
    return faults > 0 ? EXIT.halted : EXIT.done;
  });
}

/** Throws CompactError (halt) where there is no such file. */
export async function fileAt(volume: SliceVolume, inode: bigint | string): Promise<SliceFile> {
  const inodeId = typeof inode === 'string' ? await volume.find(inode) : inode;
  const found = inodeId === null ? null : await volume.inode(inodeId);
  if (found === null) throw refusal('inode-missing', `there is no ${nameOf(inode)}; links are not followed`);
  if (found.file === null)
    throw refusal('inode-not-s3', `${nameOf(inode)} is a ${found.type}; only files have data in objects`);
  return found.file;
}

function nameOf(inode: bigint | string): string {
  return typeof inode === 'string' ? inode : `inode ${inode}`;
}

function refusal(code: 'inode-missing' | 'inode-not-s3', message: string): CompactError {
  return new CompactError(message, { kind: 'halt', code });
}

async function chunksOf(
  volume: SliceVolume,
  file: SliceFile,
  { chunk }: SliceInspectOptions,
): Promise<readonly number[]> {
  const indexes = await volume.chunkIndexes(file);
  if (chunk === undefined) return indexes;
  if (indexes.includes(chunk)) return [chunk];
  throw new UsageError(
    `--chunk ${chunk}: the file has no list for it, so it reads as zeros; ${plural(indexes.length, 'chunk')} of it have one`,
  );
}

async function inspectList(
  volume: SliceVolume,
  at: {
    readonly file: SliceFile;
    readonly chunkIndex: number;
    readonly setting: VolumeSetting;
    readonly limit: number;
  },
): Promise<InspectedList> {
  const { file, chunkIndex, setting, limit } = at;
  try {
    const records = await volume.list(file.inodeId, chunkIndex);
    const referencesOf = await volume.references(records);
    const placed = records
      .slice(0, limit)
      .map((record, position) => ({ position, ...record, references: record.id === 0n ? 0 : referencesOf(record) }));
    return {
      ...{ chunkIndex, records: placed, recordsTotal: records.length, pieces: piecesOf(records).slice(0, limit) },
      footprint: footprintOf(records, setting, { referencesOf }),
    };
  } catch (error) {
    if (!(error instanceof CompactError) || error.inode === undefined) throw error;
    return { chunkIndex, records: [], recordsTotal: 0, pieces: [], footprint: NO_FOOTPRINT, fault: error.message };
  }
}

function headText(
  { inodeId, length, mtimeMs, nlink, state }: SliceFile,
  path: string | null,
  { setting, context }: { readonly setting: VolumeSetting; readonly context: CliContext },
): string {
  const { bold, dim } = context.colors;
  const where = path === null ? '' : ` ${path}`;
  const kept = { live: '', trash: ', in the trash', unlinked: ', deleted and still open' }[state];
  const when = `changed ${new Date(mtimeMs).toISOString()}`;
  return [
    bold(`inode ${inodeId}${where}: ${bytes(length)}, ${when}, ${plural(nlink, 'link')}${kept}`),
    dim(`volume ${setting.volume}, blocks of ${bytes(setting.blockSize)}, compression ${setting.compression}`),
  ].join('\n');
}

function listText(list: InspectedList, setting: VolumeSetting, context: CliContext): string {
  const { red, bold } = context.colors;
  if (list.fault !== undefined) return red(`chunk ${list.chunkIndex}: ${list.fault}`);
  const { footprint } = list;
  return [
    bold(`chunk ${list.chunkIndex}: ${plural(footprint.records, 'record')}, ${plural(footprint.pieces, 'piece')}`),
    recordsText(list, context),
    '',
    piecesText(list, setting, context),
    '',
    ` ${readText(footprint)}`,
  ].join('\n');
}

/** The newest last, as in the list: the later wins. */
function recordsText({ records, recordsTotal }: InspectedList, context: CliContext): string {
  const heads = ['record', 'offset', 'length', 'slice', 'from', 'slice size', 'references'];
  const rows = records.map((record) => [
    count(record.position),
    count(record.offset),
    bytes(record.len),
    ...(record.id === 0n
      ? ['zeros', '', '', '']
      : [record.id.toString(), count(record.from), bytes(record.size), count(record.references)]),
  ]);
  return (
    table(
      heads.map((head) => ({ head })),
      rows,
      context.style,
    ) + cutNote(recordsTotal, rows.length, context)
  );
}

function piecesText({ pieces, footprint }: InspectedList, setting: VolumeSetting, context: CliContext): string {
  const heads = ['piece from', 'to', 'bytes', 'record'];
  const columns = [...heads.map((head) => ({ head })), { head: 'first object', align: 'left' as const, wrap: true }];
  const rows = pieces.map(({ begin, end, position, id, size, from }) => [
    count(begin),
    count(end),
    bytes(end - begin),
    count(position),
    sliceObject(id, size, Math.floor(from / setting.blockSize), setting).name,
  ]);
  return table(columns, rows, context.style) + cutNote(footprint.pieces, rows.length, context);
}

function cutNote(total: number, shown: number, context: CliContext): string {
  return total > shown ? context.colors.dim(`\n … ${count(total - shown)} more (--limit 0 shows all)`) : '';
}

function readText({ gets, getBytes, visibleBytes, storedBytes, objects, sharedBytes }: Footprint): string {
  const shared = sharedBytes > 0 ? `; ${bytes(Math.round(sharedBytes))} of it in slices that others name, too` : '';
  return `a full read takes ${plural(gets, 'GET')} for ${bytes(getBytes)}, ${bytes(visibleBytes)} of them visible; stored are ${bytes(Math.round(storedBytes))} in ${plural(Math.round(objects), 'object')}${shared}`;
}

function totalText(
  total: Footprint & { readonly chunks: number; readonly faults: number },
  { colors: { bold, red } }: CliContext,
): string {
  if (total.chunks === 0) return 'no chunk has a list: the file reads as zeros';
  const broken = total.faults > 0 ? [red(`${plural(total.faults, 'list')} damaged: clients answer EIO there`)] : [];
  return [bold(`${plural(total.chunks, 'chunk')}: ${readText(total)}`), ...broken].join('\n');
}
