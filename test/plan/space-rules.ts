/**
 * What plans must keep of the rules for stored bytes, as the oracle counts them: the objects that a list references with all of
 * their bytes, whether anybody reads them or not. It counts for itself; what a reader sees is the view's business.
 */
import type { PlanInput } from '../../src/plan/index.ts';
import { blockExtents, HOLE } from '../kit/oracle/layout.ts';
import type { OracleGeometry, OracleVersion } from '../kit/oracle/types.ts';
import type { Plan } from './verify.ts';
import { check, type View } from './view.ts';
import { priced } from './worth.ts';

/** Stored bytes for each visible one that a plan leaves, or says why. */
export const WASTE_MAX = 1.1;

/** Bytes of the objects: a version's objects are as long as they were written, `offset + size` at the end. */
export function storedBytesOf(versions: readonly OracleVersion[], geometry: OracleGeometry): number {
  let bytes = 0;
  for (const version of versions) {
    if (version.zero) continue;
    const named = [...blockExtents(version, geometry)].map(({ blockIndex }) => blockIndex);
    const room = geometry.chunkSize - (version.offset % geometry.chunkSize);
    const written = { ...version, len: Math.min(room, Math.max(version.len, version.size)) };
    for (const { blockIndex, begin, end } of blockExtents(written, geometry)) {
      if (named.includes(blockIndex)) bytes += end - begin;
    }
  }
  return bytes;
}

/** Bytes that a reader sees and that come from an object. */
export function visibleBytesOf({ versions }: PlanInput, { owners }: View): number {
  let bytes = 0;
  for (const owner of owners) if (owner !== HOLE && versions[owner]?.zero === false) bytes++;
  return bytes;
}

/** A plan stores no more than before where that has a price, and says so when it leaves too much that nobody reads. */
export function checkSpace(input: PlanInput, view: View, { gain, waste }: Plan): void {
  const tooMuch = gain.storedBytesAfter > WASTE_MAX * visibleBytesOf(input, view);
  check((waste !== undefined) === tooMuch, 'a plan that leaves too much that nobody reads says why, and no other');
  if (!priced(input)) return;
  check(gain.storedBytesAfter <= gain.storedBytesBefore, 'a plan never stores more than before');
  check(waste === undefined || input.budget !== undefined, 'without a budget nothing is wasted');
}
