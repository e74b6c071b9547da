/**
 * Which parts of which versions stay in the list when some blocks are rewritten. A kept part starts at the version's own
 * start or at a block border, because a reader computes offsets in the version's first object from `offset`; its end
 * may be anywhere. Parts are made block by block and joined where they touch, so objects of rewritten or hidden blocks
 * are let go. Kept versions keep their order, and each part lies inside its version: so what was on top stays on top (I1).
 */
import type { S3ChunkInfo, ValidRange } from '../model.ts';
import type { BlockView } from './blocks.ts';

interface Part {
  readonly version: number;
  readonly begin: number;
  end: number;
}

/** The versions that stay, in their old order, for the blocks that are not rewritten. */
export function keptVersions(versions: readonly S3ChunkInfo[], blocks: Iterable<BlockView>): S3ChunkInfo[] {
  const chains = new PartChains();
  for (const block of blocks) {
    const data = lastSeen(versions, block.data, block.begin);
    for (const part of data) chains.add(part);
    if (block.zeros.length === 0) continue;
    const hiding = hidingZeros(block.zeros, data);
    for (const part of lastSeen(versions, hiding, block.begin)) chains.add(part);
  }
  return chains.inOrder().map((part) => narrowed(versions, part));
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
    const begin = Math.max(versions[piece.version]?.offset ?? 0, blockBegin);
    parts.set(piece.version, { version: piece.version, begin, end: piece.end });
  }
  return [...parts.values()];
}

/** The zero pieces that lie over bytes of a kept part; over a hole a zero version says nothing. */
function hidingZeros(zeros: readonly ValidRange[], data: readonly Part[]): ValidRange[] {
  const parts = [...data].sort((a, b) => a.begin - b.begin);
  const out: ValidRange[] = [];
  let next = 0;
  let reach = Number.NEGATIVE_INFINITY;
  for (const zero of zeros) {
    // Zero pieces ascend, so the parts that begin before this one's end only grow in number.
    for (let part = parts[next]; part !== undefined && part.begin < zero.end; part = parts[++next]) {
      reach = Math.max(reach, part.end);
    }
    if (reach > zero.begin) out.push(zero);
  }
  return out;
}

function narrowed(versions: readonly S3ChunkInfo[], part: Part): S3ChunkInfo {
  const version = versions[part.version];
  if (version === undefined) throw new RangeError(`no version at position ${part.version}`);
  const len = part.end - part.begin;
  if (version.offset === part.begin && version.len === len) return version;
  return { ...version, offset: part.begin, len };
}

/** Parts by version: blocks arrive in ascending order, the list wants the order of versions. */
class PartChains {
  readonly #chains = new Map<number, Part[]>();

  add(part: Part): void {
    const chain = this.#chains.get(part.version);
    const last = chain?.at(-1);
    if (chain === undefined) this.#chains.set(part.version, [part]);
    else if (last !== undefined && last.end === part.begin) last.end = part.end;
    else chain.push(part);
  }

  inOrder(): Part[] {
    const versions = Uint32Array.from(this.#chains.keys()).sort();
    const out: Part[] = [];
    for (const version of versions) for (const part of this.#chains.get(version) ?? []) out.push(part);
    return out;
  }
}
