/**
 * What compacting one chunk list of slices would do: which neighbouring pieces become one new slice, which stay as they are.
 * The new list is pairwise disjoint and shows every byte as before; holes are never written. Pure and, but for sorting,
 * linear. What carries it out is compact/slice-attempt.ts.
 *
 * A few candidates are weighed by what they exactly save (GETs, stored bytes) against the bytes they move. The best that
 * pays, stores no more and makes no list longer is carried on with, until nothing more is found: the plan is all that together.
 */
import type { PlanCost } from '../../model.ts';
import { movedBytes, scoreOf } from '../../plan/index.ts';
import { blockBytes, blockCount, type Reads, readsOf } from './objects.ts';
import { piecesOf } from './pieces.ts';
import { type ClientRewrite, clientRewrite } from './quiet.ts';
import type { Piece, ReferencesOf, SliceGeometry, SliceRecord } from './words.ts';

export interface SlicePolicy {
  /** A list with more records or pieces than this qualifies. */
  readonly fragmentThreshold: number;
  /** Bytes that may be moved for each GET that a full read saves. */
  readonly bytesPerGet: number;
  /** Bytes that may be moved for each byte that need not be stored any more. */
  readonly storagePrice: number;
}

/** A slice to write: `[begin, end)` of the chunk, from these neighbouring pieces. */
export interface MergedSlice {
  readonly begin: number;
  readonly end: number;
  readonly pieces: readonly Piece[];
}

export interface SliceGain {
  readonly getsBefore: number;
  readonly getsAfter: number;
  readonly recordsBefore: number;
  readonly recordsAfter: number;
  /** Of the slices that this list names, each counted whole; shared ones stay stored. */
  readonly objectsBefore: number;
  readonly objectsAfter: number;
  readonly storedBytesBefore: number;
  readonly storedBytesAfter: number;
}

export interface SlicePlan {
  /** The whole list becomes these, ascending and disjoint … */
  readonly kept: readonly Piece[];
  readonly merged: readonly MergedSlice[];
  readonly cost: PlanCost;
  readonly gain: SliceGain;
  readonly score: number;
  /** What a read-write client would do at its next read of the chunk, before and after. */
  readonly clientBefore: ClientRewrite | null;
  readonly clientAfter: ClientRewrite | null;
}

interface SliceInput {
  readonly geometry: SliceGeometry;
  readonly policy: SlicePolicy;
  readonly referencesOf: ReferencesOf;
}

/** Ids of slices that do not exist yet, from here downwards: no volume has come so far. */
const NEW_ID = 2n ** 64n - 1n;

/** The pieces of a list, ascending, cut into those that stay alone and those that become one slice. */
type Groups = readonly (readonly Piece[])[];

interface Weighing extends SliceInput {
  /** Slices that others name, too: they stay stored, whatever this list does. */
  readonly shared: ReadonlySet<bigint>;
}

/** `null`: nothing is worth doing. A plan for what a plan leaves is `null`, until something else changes. */
export function planSlices(records: readonly SliceRecord[], input: SliceInput): SlicePlan | null {
  const shared = new Set<bigint>();
  for (const [id, slice] of slicesOf(records)) if (input.referencesOf(slice.record) > slice.records) shared.add(id);
  const weighing = { ...input, shared };
  let groups: Groups = [];
  let plan: SlicePlan | null = null;
  // What is left can be worth another round; together they move each byte once. Each round but the first joins pieces.
  for (let left = records; ; left = listAfter(plan)) {
    const round = bestGroups(left, weighing);
    if (round === null) return plan;
    groups = plan === null ? round : joined(groups, round);
    plan = planOf(records, groups, weighing);
  }
}

/** The groups of a first round, joined as a second round joined what they became. */
function joined(groups: Groups, round: Groups): Groups {
  let end = 0;
  return round.map(({ length }) => {
    end += length;
    return groups.slice(end - length, end).flat();
  });
}

/** The best of a few ways to group the pieces of a list; `null` where none pays. */
function bestGroups(records: readonly SliceRecord[], input: Weighing): Groups | null {
  const pieces = piecesOf(records);
  const { fragmentThreshold, bytesPerGet, storagePrice } = input.policy;
  if (Math.max(records.length, pieces.length) <= fragmentThreshold) return null;
  const segments = segmentsOf(pieces);
  const candidates = [
    // What is hidden is dropped, and no byte is moved.
    pieces.map((piece) => [piece]),
    segments.flatMap((segment) => runsOf(segment, input)),
    segments,
  ];
  let best: Groups | null = null;
  let most = 0;
  for (const groups of candidates) {
    const { gain, cost } = planOf(records, groups, input);
    const reclaimed = gain.storedBytesBefore - gain.storedBytesAfter;
    // Clients read every record, and rewrite long lists.
    if (reclaimed < 0 || gain.recordsAfter > gain.recordsBefore) continue;
    const value = (gain.getsBefore - gain.getsAfter) * bytesPerGet + reclaimed * storagePrice - movedBytes(cost);
    if (value > most) [best, most] = [groups, value];
  }
  return best;
}

/** The list as the plan leaves it, ascending; by default new slices have ids that no volume has, by where they begin. */
export function listAfter(
  { kept, merged }: Pick<SlicePlan, 'kept' | 'merged'>,
  idOf: (slice: MergedSlice, n: number) => bigint = ({ begin }) => NEW_ID - BigInt(begin),
): readonly SliceRecord[] {
  const old = kept.map(({ begin, end, id, size, from }) => ({ offset: begin, len: end - begin, id, size, from }));
  const fresh = merged.map((slice, n) => {
    const len = slice.end - slice.begin;
    return { offset: slice.begin, len, id: idOf(slice, n), size: len, from: 0 };
  });
  return [...old, ...fresh].toSorted((a, b) => a.offset - b.offset);
}

/** Pieces that follow each other without a hole: only these can become one slice. */
function segmentsOf(pieces: readonly Piece[]): Groups {
  const segments: Piece[][] = [];
  for (const piece of pieces) {
    const last = segments.at(-1);
    if (last?.at(-1)?.end === piece.begin) last.push(piece);
    else segments.push([piece]);
  }
  return segments;
}

/**
 * A segment cut into runs to merge and pieces to keep, so that what the runs save pays for what they move. Each piece is
 * priced alone, and a run's last block counts whole: where that errs, the plan as a whole is weighed again exactly.
 */
function runsOf(segment: readonly Piece[], { geometry, policy }: SliceInput): Groups {
  const perByte = 1 + policy.bytesPerGet / geometry.blockSize;
  // Best value up to a piece, with it kept or at the end of a run; and where that run began.
  let kept = 0;
  let run = Number.NEGATIVE_INFINITY;
  let runBegan = 0;
  const cameFrom: { readonly from: number; readonly keeps: boolean }[] = [];
  for (const [n, piece] of segment.entries()) {
    const [len, reads] = [piece.end - piece.begin, readsOf([piece], geometry)];
    const moved = geometry.wholeObjects ? reads.bytes : len;
    const worth = reads.gets * policy.bytesPerGet - moved - len * perByte;
    const opened = kept - policy.bytesPerGet;
    if (opened > run) runBegan = n;
    run = Math.max(opened, run) + worth;
    const keeps = kept >= run;
    cameFrom.push({ from: runBegan, keeps });
    kept = Math.max(kept, run);
  }
  const groups: (readonly Piece[])[] = [];
  for (let n = segment.length - 1; n >= 0; ) {
    const at = cameFrom[n];
    const from = at === undefined || at.keeps ? n : at.from;
    groups.push(segment.slice(from, n + 1));
    n = from - 1;
  }
  return groups.reverse();
}

/** The plan that merges each group of several pieces, with its exact figures. */
function planOf(records: readonly SliceRecord[], groups: Groups, { geometry, shared }: Weighing): SlicePlan {
  const kept: Piece[] = [];
  const merged: MergedSlice[] = [];
  for (const group of groups) {
    const [first, last] = [group[0], group.at(-1)];
    if (first === undefined || last === undefined) continue;
    if (group.length === 1) kept.push(first);
    else merged.push({ begin: first.begin, end: last.end, pieces: group });
  }
  const after = listAfter({ kept, merged });
  const cost = costOf(merged, geometry);
  const before = slicesOf(records);
  const [stays, stored] = [slicesOf(after), storedOf(before, geometry)];
  for (const [id, slice] of before) if (shared.has(id)) stays.set(id, slice);
  const left = storedOf(stays, geometry);
  const gain = {
    getsBefore: readsOf(piecesOf(records), geometry).gets,
    getsAfter: readsOf(piecesOf(after), geometry).gets,
    recordsBefore: records.length,
    recordsAfter: after.length,
    objectsBefore: stored.objects,
    objectsAfter: left.objects,
    storedBytesBefore: stored.bytes,
    storedBytesAfter: left.bytes,
  };
  return {
    kept,
    merged,
    cost,
    gain,
    score: scoreOf(cost, gain.getsBefore - gain.getsAfter, gain.storedBytesBefore - gain.storedBytesAfter),
    clientBefore: clientRewrite(records),
    clientAfter: clientRewrite(after),
  };
}

/** What is moved; of an object that can only be read whole, all of it is. */
function costOf(merged: readonly MergedSlice[], geometry: SliceGeometry): PlanCost {
  const cost = { readRequests: 0, readBytes: 0, writeRequests: 0, writeBytes: 0 };
  for (const slice of merged) {
    const len = slice.end - slice.begin;
    const ranges = () => slice.pieces.reduce((gets, piece) => gets + readsOf([piece], geometry).gets, 0);
    const reads = geometry.wholeObjects ? wholeReadsOf(slice, geometry) : { gets: ranges(), bytes: len };
    cost.readRequests += reads.gets;
    cost.readBytes += reads.bytes;
    cost.writeRequests += blockCount(len, geometry.blockSize);
    cost.writeBytes += len;
  }
  return cost;
}

/** Each new block reads every object that it needs anything of. */
function wholeReadsOf({ begin, pieces }: MergedSlice, { blockSize }: SliceGeometry): Reads {
  const read = new Set<string>();
  let bytes = 0;
  for (const { begin: first, end, id, size, from } of pieces) {
    for (let at = first; at < end; ) {
      const inSlice = from + at - first;
      const [block, n] = [Math.floor((at - begin) / blockSize), Math.floor(inSlice / blockSize)];
      const key = `${block} ${id} ${n}`;
      if (!read.has(key)) bytes += blockBytes(size, n, blockSize);
      read.add(key);
      at = Math.min(end, at + (n + 1) * blockSize - inSlice, begin + (block + 1) * blockSize);
    }
  }
  return { gets: read.size, bytes };
}

interface NamedSlice {
  readonly record: SliceRecord;
  records: number;
}

function slicesOf(records: readonly SliceRecord[]): Map<bigint, NamedSlice> {
  const slices = new Map<bigint, NamedSlice>();
  for (const record of records) {
    if (record.id === 0n) continue;
    const slice = slices.get(record.id) ?? { record, records: 0 };
    slice.records++;
    slices.set(record.id, slice);
  }
  return slices;
}

function storedOf(slices: ReadonlyMap<bigint, NamedSlice>, { blockSize }: SliceGeometry) {
  let [objects, bytes] = [0, 0];
  for (const { record } of slices.values()) {
    objects += blockCount(record.size, blockSize);
    bytes += record.size;
  }
  return { objects, bytes };
}
