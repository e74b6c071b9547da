/**
 * `s3compact inspect FS INODE` for a file in the slice layout: its lists as they are, the pieces that a reader sees, the
 * objects, and what a full read costs. It reads metadata only, and shows a damaged list as what it is.
 */
import { addFootprint, type Footprint, NO_FOOTPRINT } from '../../layout/slices/index.ts';
import type { SliceFile, SliceVolume, VolumeSetting } from '../../metadata/slice-volume.ts';
import {
  fileAt,
  fileText,
  type InspectedList,
  inspectList,
  listText,
  PIECE_HEADS,
  pieceRows,
  RECORD_HEADS,
  readText,
  recordRows,
  volumeText,
} from '../../view/slices/inspect.ts';
import { count, plural, printable } from '../../view/words.ts';
import type { CliContext } from '../context.ts';
import { EXIT, type ExitCode, UsageError } from '../output.ts';
import { table, wrapped } from '../table.ts';

interface SliceInspectOptions {
  readonly limit: number;
  readonly chunk?: number;
}

/** Throws CompactError (halt) where there is no such file. */
export function inspectSlices(
  fsId: number,
  inode: bigint | string,
  { context, options }: { readonly context: CliContext; readonly options: SliceInspectOptions },
): Promise<ExitCode> {
  return context.withVolume(fsId, async (volume, setting) => {
    const { bold, dim } = context.colors;
    const { limit } = options;
    const file = await fileAt(volume, inode);
    const path = await volume.pathOf(file.inodeId);
    const indexes = await chunksOf(volume, file, options);
    let total = NO_FOOTPRINT;
    let faults = 0;
    const chunks: unknown[] = [];
    const head = `inode ${file.inodeId}${path === null ? '' : ` ${printable(path)}`}: ${fileText(file)}`;
    if (!context.json) context.data([bold(head), dim(volumeText(setting))].join('\n'));
    for (const [n, chunkIndex] of indexes.entries()) {
      const list = await inspectList(volume, file, { chunkIndex, setting });
      total = addFootprint(total, list.footprint);
      if (list.fault !== undefined) faults++;
      if (n >= limit) continue;
      if (context.json) chunks.push(jsonOf(list, limit));
      else context.data(`\n${shownList(list, setting, { context, limit })}`);
    }
    const sum = { chunks: indexes.length, faults, ...total };
    const json = { volume: setting.volume, file: { ...file, path }, total: sum, chunks };
    context.answer(json, () => `\n${totalText(sum, context)}`);
    return faults > 0 ? EXIT.halted : EXIT.done;
  });
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

function jsonOf({ records, referencesOf, pieces, fault, ...list }: InspectedList, limit: number) {
  const placed = records
    .slice(0, limit)
    .map((record, position) => ({ position, ...record, references: record.id === 0n ? 0 : referencesOf(record) }));
  const lists = { records: placed, recordsTotal: records.length, pieces: pieces.slice(0, limit) };
  return { ...list, ...lists, fault: fault?.message };
}

function shownList(
  list: InspectedList,
  setting: VolumeSetting,
  { context, limit }: { readonly context: CliContext; readonly limit: number },
): string {
  const { red, bold, dim } = context.colors;
  if (list.fault !== undefined) return red(`chunk ${list.chunkIndex}: ${list.fault.message}`);
  const more = (total: number) => (total > limit ? dim(`\n … ${count(total - limit)} more (--limit 0 shows all)`) : '');
  const pieces = PIECE_HEADS.map((head, n) => (n === PIECE_HEADS.length - 1 ? wrapped(head) : head));
  return [
    bold(`chunk ${list.chunkIndex}: ${listText(list)}`),
    table(RECORD_HEADS, recordRows(list, limit), context.style) + more(list.records.length),
    '',
    table(pieces, pieceRows(list, setting, limit), context.style) + more(list.pieces.length),
    '',
    ` ${readText(list.footprint)}`,
  ].join('\n');
}

function totalText(
  total: Footprint & { readonly chunks: number; readonly faults: number },
  { colors: { bold, red } }: CliContext,
): string {
  if (total.chunks === 0) return 'no chunk has a list: the file reads as zeros';
  const broken = total.faults > 0 ? [red(`${plural(total.faults, 'list')} damaged: clients answer EIO there`)] : [];
  return [bold(`${plural(total.chunks, 'chunk')}: ${readText(total)}`), ...broken].join('\n');
}
