/**
 * When merging is worth it, as the oracle judges it: pieces of a block at the price of the dial, each set of neighbours
 * looked at by itself. It cannot tell the best set of runs, which is the planner's business; it can tell a run that does not
 * pay, and a plan that left one that does.
 */
import type { PlanInput } from '../../src/plan/index.ts';
import { type CandidateBlock, check, type Piece, type View } from './view.ts';

/** At most so many times the dial is paid for a GET: in complete blocks in which nothing was overwritten. */
const FACTOR_MAX = 4;

/** The end of a block that is not full may wait: so many pieces at most. */
const TAIL_PIECES_MAX = 8;

/** Whether stored bytes have a price, so that whole blocks are weighed and not only runs. */
export function priced({ policy }: PlanInput): boolean {
  return (policy.storagePrice ?? 0) > 0;
}

/** Whether every block that is read from several objects is to become one. */
export function limitless({ policy, geometry }: PlanInput): boolean {
  if ((policy.storagePrice ?? 0) > 0) return false;
  return (policy.bytesPerGet ?? Number.POSITIVE_INFINITY) >= geometry.chunkSize;
}

/** Bytes read and written for one object in place of neighbouring pieces, gaps filled. */
function moved(pieces: readonly Piece[]): number {
  const [first] = pieces;
  const last = pieces.at(-1);
  if (first === undefined || last === undefined) return 0;
  return pieces.reduce((sum, { begin, end }) => sum + end - begin, 0) + last.end - first.begin;
}

/** One object for them would be read in parts again. */
function isCut(pieces: readonly Piece[]): boolean {
  return pieces.slice(1).some(({ apart }) => apart);
}

/** A run that is merged pays, and is the whole block where the dial is all the way up. */
export function checkWorth(input: PlanInput, block: CandidateBlock, run: { from: number; to: number }): void {
  const pieces = block.pieces.slice(run.from, run.to);
  if (priced(input)) {
    for (const [n, { begin }] of pieces.entries()) {
      const hole = begin - (pieces[n - 1]?.end ?? begin);
      check(hole <= input.policy.readGapBytes, 'only small holes are filled');
    }
    return;
  }
  check(pieces.length > 1, 'one piece alone is not rewritten');
  if (limitless(input)) {
    check(pieces.length === block.pieces.length, 'with the dial all the way up a block becomes one object');
    return;
  }
  check(!isCut(pieces), 'no run goes on over a byte that is read from above');
  const price = FACTOR_MAX * (input.policy.bytesPerGet ?? 0);
  check((pieces.length - 1) * price > moved(pieces), 'what is merged pays');
}

/** No neighbours are left that pay at the dial's own price, but at the end of a block that is not full. */
export function nothingIsWorth(input: PlanInput, view: View): void {
  if (limitless(input)) {
    check(view.candidates.length === 0, 'a block of several objects is worth a plan');
    return;
  }
  if (input.policy.mergedFirst === true || priced(input)) return;
  for (const { pieces, blockIndex } of view.candidates) {
    const blockEnd = view.chunkBegin + (blockIndex + 1) * input.geometry.blockSize;
    const open = (pieces.at(-1)?.end ?? 0) < blockEnd;
    for (let from = 0; from < pieces.length; from++) {
      for (let to = from + 2; to <= pieces.length; to++) {
        if ((open && to > pieces.length - TAIL_PIECES_MAX) || isCut(pieces.slice(from, to))) continue;
        const gain = (to - from - 1) * (input.policy.bytesPerGet ?? 0) - moved(pieces.slice(from, to));
        check(gain <= 0, `pieces ${from} to ${to} of block ${blockIndex} would pay`);
      }
    }
  }
}
