/**
 * What runs of one block come to: what they move, the GETs that they save, and which of them lie over something that stays.
 * It stands alone because choosing and carrying out both ask it. It decides nothing.
 */
import type { S3ChunkInfo } from '../model.ts';
import { outside } from '../outside.ts';
import type { BlockView } from './blocks.ts';
import { reached, remainsOf } from './keep.ts';
import type { Run } from './pieces.ts';
import type { Window } from './valid-ranges.ts';

/** A block and the runs in it that become one object each, ascending. */
export interface BlockRuns {
  readonly view: BlockView;
  readonly runs: readonly Run[];
}

/** The runs that some part that stays in the block reaches into: their objects must lie above it. */
export function runsReached({ view, runs }: BlockRuns, versions: readonly S3ChunkInfo[]): ReadonlySet<Run> {
  if (runs.length === 0) return new Set();
  const extents = runs.map((run) => ({ run, ...extentOf(view, run) }));
  return new Set(reached(versions, remainsOf(view, runs), extents).map(({ run }) => run));
}

/** Pieces, so GETs, that are gone when each run is one. */
export function joinedAway(runs: readonly Run[]): number {
  return runs.reduce((sum, { from, to }) => sum + to - from - 1, 0);
}

/** What one object for a run moves: its bytes are read, and written with the gaps. */
export function bytesToMerge(view: BlockView, run: Run): number {
  const { begin, end } = extentOf(view, run);
  let bytes = end - begin;
  for (let n = run.from; n < run.to; n++)
    bytes += (view.table.ends[n] ?? outside()) - (view.table.begins[n] ?? outside());
  return bytes;
}

function extentOf({ table }: BlockView, { from, to }: Run): Window {
  return { begin: table.begins[from] ?? outside(), end: table.ends[to - 1] ?? outside() };
}
