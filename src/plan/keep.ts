/**
 * Which parts of which versions stay in the list when some pieces are rewritten. A kept part starts at the version's own
 * start or at a block border, because a reader computes offsets in the version's first object from `offset`; its end
 * may be anywhere. Kept versions keep their order, and each part lies inside its version: so what was on top stays on top (I1).
 */
import type { S3ChunkInfo, ValidRange } from '../model.ts';
import { outside } from '../outside.ts';
import type { BlockView } from './blocks.ts';
import { extentOf, type Run } from './pieces.ts';
import type { Window } from './valid-ranges.ts';

/** A block and the runs in it that become one object each, ascending. */
export interface BlockRuns {
  readonly view: BlockView;
  readonly runs: readonly Run[];
}

/** What stays visible from before in one block. */
interface Remains {
  /** File offset of the block's first byte. */
  readonly begin: number;
  readonly data: readonly ValidRange[];
  readonly zeros: readonly ValidRange[];
}

/** A block without the pieces in `runs` (ascending, in positions of its table), whose gaps go with them. */
export function remainsOf(view: BlockView, runs: readonly Run[]): Remains {
  const { begin, table } = view;
  const data: ValidRange[] = [];
  let from = view.dataFrom;
  for (const run of [...runs, { from: view.dataTo, to: view.dataTo }]) {
    for (const piece of table.slice(from, run.from)) data.push(piece);
    from = run.to;
  }
  let next = 0;
  const zeros = view.zeros.filter((zero) => {
    for (let run = runs[next]; run !== undefined; run = runs[++next]) {
      if ((table.ends[run.to - 1] ?? outside()) > zero.begin) return (table.begins[run.from] ?? outside()) >= zero.end;
    }
    return true;
  });
  return { begin, data, zeros };
}

interface Part {
  readonly version: number;
  readonly begin: number;
  end: number;
}

/** The versions that stay, in their old order, for what remains of each block. */
export function keptVersions(versions: readonly S3ChunkInfo[], blocks: Iterable<Remains>): S3ChunkInfo[] {
  const chains = new Map<number, Part[]>();
  for (const block of blocks) for (const part of partsOf(versions, block)) chain(chains, part);
  const kept: S3ChunkInfo[] = [];
  for (const version of Uint32Array.from(chains.keys()).sort()) {
    for (const part of chains.get(version) ?? []) kept.push(narrowed(versions, part));
  }
  return kept;
}

/** Blocks arrive in ascending order: parts of one version that touch are one. */
function chain(chains: Map<number, Part[]>, part: Part): void {
  const parts = chains.get(part.version);
  const last = parts?.at(-1);
  if (parts === undefined) chains.set(part.version, [part]);
  else if (last?.end === part.begin) last.end = part.end;
  else parts.push(part);
}

/** The runs that some part that stays in the block reaches into: their objects must lie above it. */
export function runsReached({ view, runs }: BlockRuns, versions: readonly S3ChunkInfo[]): ReadonlySet<Run> {
  if (runs.length === 0) return new Set();
  const extents = runs.map((run) => ({ run, ...extentOf(view.table, run) }));
  return new Set(overlapped(extents, partsOf(versions, remainsOf(view, runs))).map(({ run }) => run));
}

function partsOf(versions: readonly S3ChunkInfo[], block: Remains): Part[] {
  const data = lastSeen(versions, block.data, block.begin);
  if (block.zeros.length === 0) return data;
  // Over a hole a zero version says nothing: it stays only where it hides bytes of a kept part.
  return [...data, ...lastSeen(versions, overlapped(block.zeros, data), block.begin)];
}

/** One part per version: from its start in the block to the end of its last visible piece. */
function lastSeen(versions: readonly S3ChunkInfo[], pieces: readonly ValidRange[], blockBegin: number): Part[] {
  const parts = new Map<number, Part>();
  for (const piece of pieces) {
    const part = parts.get(piece.version);
    if (part !== undefined) {
      part.end = piece.end;
      continue;
    }
    const begin = Math.max((versions[piece.version] ?? outside()).offset, blockBegin);
    parts.set(piece.version, { version: piece.version, begin, end: piece.end });
  }
  return [...parts.values()];
}

/** The extents, which ascend, that share a byte with some part. */
function overlapped<Extent extends Window>(extents: readonly Extent[], parts: readonly Part[]): Extent[] {
  const ascending = [...parts].sort((a, b) => a.begin - b.begin);
  const out: Extent[] = [];
  let next = 0;
  let reach = Number.NEGATIVE_INFINITY;
  for (const extent of extents) {
    // Extents ascend, so the parts that begin before this one's end only grow in number.
    for (let part = ascending[next]; part !== undefined && part.begin < extent.end; part = ascending[++next]) {
      reach = Math.max(reach, part.end);
    }
    if (reach > extent.begin) out.push(extent);
  }
  return out;
}

function narrowed(versions: readonly S3ChunkInfo[], part: Part): S3ChunkInfo {
  const version = versions[part.version] ?? outside();
  const len = part.end - part.begin;
  if (version.offset === part.begin && version.len === len) return version;
  // The end of what was written stays where it was, since that is how long the objects are (docs/adr/0033).
  const size = Math.max(len, version.size - (part.begin - version.offset));
  return { ...version, offset: part.begin, len, size };
}
