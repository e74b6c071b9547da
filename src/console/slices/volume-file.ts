/**
 * The page of one file in the slice layout: its pieces as maps, as they are and as compacting would leave them, what that
 * would save and move, and what its clients would do of themselves. It reads metadata only.
 */
import { html } from 'hono/html';
import type { Settings } from '../../config/index.ts';
import { throwIfCancelled } from '../../errors.ts';
import {
  addFootprint,
  CHUNK_BYTES,
  type Footprint,
  footprintOf,
  listAfter,
  NO_FOOTPRINT,
  type Piece,
  piecesOf,
} from '../../layout/slices/index.ts';
import type { SliceFile, SliceVolume, VolumeSetting } from '../../metadata/slice-volume.ts';
import type { QuarantineEntry } from '../../queue/quarantine.ts';
import { type BlockParts, gridOfParts, type Part } from '../../view/cells.ts';
import { movedText } from '../../view/gain.ts';
import {
  fileAt,
  fileText,
  type InspectedList,
  inspectList,
  listText,
  objectOf,
  PIECE_HEADS,
  pieceRows,
  readText,
  volumeText,
} from '../../view/slices/inspect.ts';
import { chunkText, clientText, inAll, ONLY_A_PLAN, type PlannedList, planList } from '../../view/slices/plan.ts';
import { bytes, count, nothingText, plural } from '../../view/words.ts';
import { VOLUME_FS_ID } from '../../wiring/open-volume.ts';
import { MAP_LIMITS, maps } from '../chunk-map.ts';
import { chunkLinks, gainTable, stoppedNote } from '../one-file.ts';
import { type Html, note, numbers, type PageOptions, table } from '../page.ts';

/** Lists that are read for one page, and have a link: a file of 64 GiB. */
const LISTS_MAX = 1_000;
/** Chunks that are drawn on one page; each other one by its link. */
const DRAWN_MAX = 3;
const PIECES_MAX = 100;
/** The rows of a map show so much of the file, whatever the slices are. */
const ROW_BYTES = CHUNK_BYTES / MAP_LIMITS.rowsMax;

interface SeenList extends InspectedList {
  readonly plan: PlannedList | null;
}

interface SeenFile {
  readonly file: SliceFile;
  readonly path: string | null;
  readonly setting: VolumeSetting;
  readonly settings: Settings;
  /** The chunks that have a list, as far as they were looked at. */
  readonly chunks: readonly number[];
  readonly chunksTotal: number;
  readonly total: Footprint;
  readonly plans: readonly PlannedList[];
  readonly faults: readonly string[];
  readonly drawn: readonly SeenList[];
}

interface Asked {
  readonly settings: Settings;
  /** One chunk alone. */
  readonly chunk: number | undefined;
  readonly signal: AbortSignal;
}

/** Asks for all that the page shows. Throws CompactError for a file that is not there. */
export async function askVolumeFile(
  volume: SliceVolume,
  inodeId: bigint,
  { settings, chunk, signal }: Asked,
): Promise<SeenFile> {
  const setting = await volume.setting();
  const file = await fileAt(volume, inodeId);
  const all = await volume.chunkIndexes(file);
  const chunks = all.slice(0, LISTS_MAX);
  let total = NO_FOOTPRINT;
  let drawn: SeenList[] = [];
  const plans: PlannedList[] = [];
  const faults: string[] = [];
  for (const chunkIndex of chunk === undefined ? chunks : all.filter((index) => index === chunk)) {
    throwIfCancelled(signal, 'the page was given up');
    const list = await inspectList(volume, file, { chunkIndex, setting });
    total = addFootprint(total, list.footprint);
    if (list.fault !== undefined) faults.push(list.fault.message);
    const plan = list.fault === undefined ? planList(list, { setting, settings, file }) : null;
    if (plan !== null) plans.push(plan);
    if (list.fault === undefined) drawn = [...drawn, { ...list, plan }].toSorted(worstFirst).slice(0, DRAWN_MAX);
  }
  const path = await volume.pathOf(file.inodeId);
  return { file, path, setting, settings, chunks, chunksTotal: all.length, total, plans, faults, drawn };
}

function worstFirst(a: SeenList, b: SeenList): number {
  return (b.plan?.score ?? 0) - (a.plan?.score ?? 0) || b.footprint.gets - a.footprint.gets;
}

export function volumeFilePage(
  seen: SeenFile,
  asked: number | undefined,
  quarantine: QuarantineEntry | null = null,
): PageOptions {
  const { file, path, setting, chunksTotal, chunks, total, faults, drawn } = seen;
  const damaged = faults.map(
    (words) => html`<p class="problem act"><strong>Damaged</strong>: ${words}; clients answer EIO there</p>`,
  );
  const part =
    asked === undefined && chunksTotal > chunks.length
      ? ` Of ${plural(chunksTotal, 'chunk')} with a list the first ${count(chunks.length)} were looked at.`
      : '';
  const body = html`<p>${path ?? 'path not known'}: ${fileText(file)}; ${volumeText(setting)}.</p>
${damaged}${stoppedNote(quarantine)}
<p>${asked === undefined ? 'All its chunks' : `Chunk ${asked}`}: ${readText(total)}.${part}</p>
<section aria-labelledby="plan-head"><h2 id="plan-head">What compacting would do</h2>${planned(seen)}</section>
<section aria-labelledby="chunks-head"><h2 id="chunks-head">${asked === undefined ? 'Its worst chunks' : `Chunk ${asked}`}</h2>
${drawn.length === 0 ? note('No such chunk has a list that can be read: it reads as zeros, or is damaged.') : drawn.map((list) => chunk(list, seen))}
${chunkLinks({ key: { fsId: VOLUME_FS_ID, inodeId: file.inodeId }, chunks, chunksTotal, asked })}</section>`;
  return { title: `Inode ${file.inodeId}`, at: '/files', body };
}

function planned({ plans }: SeenFile): Html {
  if (plans.length === 0) return note(`${nothingText()}.`);
  const { chunks, cost, gain } = inAll(plans);
  return html`<p>${plural(chunks.length, 'chunk')} worth compacting: ${movedText(cost)}. ${ONLY_A_PLAN}</p>${gainTable(gain)}`;
}

function chunk(list: SeenList, { setting, file }: SeenFile): Html {
  const { plan } = list;
  const length = Math.min(CHUNK_BYTES, file.length - list.chunkIndex * CHUNK_BYTES);
  const words =
    plan === null
      ? 'It is not worth compacting.'
      : `Compacting: ${chunkText(plan)}; ${movedText(plan.cost)}; ${clientText(plan)}.`;
  const columns = [...numbers(PIECE_HEADS.slice(0, -1)), ...PIECE_HEADS.slice(-1)];
  const more = list.pieces.length > PIECES_MAX ? note(`and ${count(list.pieces.length - PIECES_MAX)} more`) : '';
  return html`<article aria-label="chunk ${list.chunkIndex}"><h3>Chunk ${list.chunkIndex}</h3><p>${listText(list)}; a row is ${bytes(ROW_BYTES)} of the chunk. ${words}</p>${pieceMaps(list, { setting, length })}
<details><summary>Its pieces</summary>${table('Pieces', columns, pieceRows(list, setting, PIECES_MAX))}${more}</details></article>`;
}

/** A slice, in the map. */
interface Owner {
  readonly id: bigint;
  readonly size: number;
}

/** The chunk as it is, and beside it as compacting would leave it. */
function pieceMaps(
  { chunkIndex, records, pieces, footprint, plan }: SeenList,
  { setting, length }: { readonly setting: VolumeSetting; readonly length: number },
): Html {
  const there = new Set(records.map(({ id }) => id));
  const after = plan === null ? null : listAfter(plan);
  const states = [{ pieces, gets: footprint.gets }];
  if (after !== null)
    states.push({ pieces: piecesOf(after), gets: footprintOf(after, setting, { referencesOf: () => 1 }).gets });
  const owners = new Map<bigint, Owner>();
  const plot = { begin: 0, chunkSize: CHUNK_BYTES, blockSize: ROW_BYTES, length };
  const piecesOfSlice = Map.groupBy(pieces, ({ id }) => id);
  const grids = states.map((state) => {
    const blocks = rowsOf(state.pieces, owners);
    return { ...gridOfParts({ ...plot, blocks }, MAP_LIMITS), gets: state.gets };
  });
  return maps<Owner>({
    grids,
    name: `chunk ${chunkIndex}`,
    unit: 'row',
    blockSize: ROW_BYTES,
    idOf: ({ id }) => id.toString(),
    isMerged: ({ id }) => !there.has(id),
    titleOf: ({ id }, { begin, range }) => {
      if (!there.has(id)) return `a new slice, ${range}`;
      const piece = piecesOfSlice.get(id)?.find(({ end }) => end > begin);
      const object =
        piece === undefined ? '' : `, object ${objectOf(piece, setting, Math.max(0, begin - piece.begin))}`;
      return `slice ${id}, ${range}${object}`;
    },
    legendOf: ({ id, size }) => `${there.has(id) ? `#${id}` : 'new'}, ${bytes(size)}`,
  });
}

/** The pieces, cut where a row of the map ends. */
function rowsOf(pieces: readonly Piece[], owners: Map<bigint, Owner>): ReadonlyMap<number, BlockParts<Owner>> {
  const parts: Part<Owner>[] = [];
  for (const { begin, end, id, size } of pieces) {
    const version = owners.get(id) ?? { id, size };
    owners.set(id, version);
    for (let from = begin, to: number; from < end; from = to) {
      to = Math.min(end, (Math.floor(from / ROW_BYTES) + 1) * ROW_BYTES);
      parts.push({ begin: from, end: to, version });
    }
  }
  const rows = Map.groupBy(parts, ({ begin }) => Math.floor(begin / ROW_BYTES));
  return new Map([...rows].map(([row, of]) => [row, { parts: of, gets: 0 }]));
}
