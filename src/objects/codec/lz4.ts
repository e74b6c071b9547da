/**
 * LZ4's block format, as one body without a frame. It is our own since no library does: those in JavaScript believe damaged
 * input, and the one in WebAssembly copies what other calls left in its memory into what it answers (CVE-2026-32829).
 * It must never read or write outside the two buffers it is given, and must never fill a block but wholly.
 *
 * A body is a row of sequences: a token, literal bytes, and how far back and how much to copy from what is there already. The
 * last has literals only.
 */

/** The upper half of a token counts literals, the lower one copied bytes above MATCH_MIN; this says that more of it follows. */
const COUNT_MAX = 15;
const MATCH_MIN = 4;
const DISTANCE_MAX = 65_535;
/** Rules of the format: so many bytes at the end are literals, and no match begins in the last so many. */
const LITERALS_LAST = 5;
const MATCH_BEGIN_LAST = 12;
/** Up to here copying byte by byte is faster. */
const SHORT = 32;

/** The longest body of so many bytes. */
export function lz4BytesMax(blockBytes: number): number {
  return blockBytes + Math.floor(blockBytes / 255) + 16;
}

/** Whether `body` is that of exactly the bytes that `block` has; it is filled then. */
export function lz4Decode(body: Uint8Array, block: Uint8Array): boolean {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  let at = 0;
  let to = 0;
  while (at < body.length) {
    const token = body[at++] ?? 0;
    let literals = token >>> 4;
    if (literals === COUNT_MAX) {
      for (let more = 255; more === 255; literals += more) {
        if (at === body.length) return false;
        more = body[at++] ?? 0;
      }
    }
    if (literals > body.length - at || literals > block.length - to) return false;
    if (literals > SHORT) block.set(body.subarray(at, at + literals), to);
    else for (let n = 0; n < literals; n++) block[to + n] = body[at + n] ?? 0;
    at += literals;
    to += literals;
    if (at === body.length) return to === block.length;
    if (body.length - at < 2) return false;
    const distance = (body[at] ?? 0) | ((body[at + 1] ?? 0) << 8);
    at += 2;
    let length = (token & COUNT_MAX) + MATCH_MIN;
    if (length === COUNT_MAX + MATCH_MIN) {
      for (let more = 255; more === 255; length += more) {
        if (at === body.length) return false;
        more = body[at++] ?? 0;
      }
    }
    if (distance === 0 || distance > to || length > block.length - to) return false;
    copyBack(block, view, { to, distance, length });
    to += length;
  }
  return false;
}

/** Bytes that are there already; with a distance shorter than the length they repeat themselves. */
function copyBack(
  block: Uint8Array,
  view: DataView,
  { to, distance, length }: { readonly to: number; readonly distance: number; readonly length: number },
): void {
  const end = to + length;
  let at = to;
  if (distance >= 4) {
    for (; at <= end - 4; at += 4) view.setInt32(at, view.getInt32(at - distance));
  } else if (distance === 1) {
    block.fill(block[to - 1] ?? 0, to, end);
    return;
  }
  for (; at < end; at++) block[at] = block[at - distance] ?? 0;
}

const HASH_BITS = 14;
const HASH_FACTOR = -1_640_531_535;
/** After so many places without a match (as a power of two) they are looked for in longer steps: such data does not shrink. */
const PATIENCE_BITS = 6;

/** Where the last literals begin, and the next byte of the body goes. */
interface Written {
  literalsFrom: number;
  to: number;
}

export function lz4Encode(block: Uint8Array): Uint8Array {
  const body = Buffer.allocUnsafe(lz4BytesMax(block.length));
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const seen = new Int32Array(1 << HASH_BITS).fill(-1);
  const written: Written = { literalsFrom: 0, to: 0 };
  let missed = 0;
  for (let at = 0; at <= block.length - MATCH_BEGIN_LAST; ) {
    const four = view.getInt32(at, true);
    const place = Math.imul(four, HASH_FACTOR) >>> (32 - HASH_BITS);
    const from = seen[place] ?? -1;
    seen[place] = at;
    if (from < 0 || at - from > DISTANCE_MAX || view.getInt32(from, true) !== four) {
      at += 1 + (missed++ >> PATIENCE_BITS);
      continue;
    }
    missed = 0;
    let length = MATCH_MIN;
    while (at + length < block.length - LITERALS_LAST && block[at + length] === block[from + length]) length++;
    putLiterals(body, written, { block, until: at, matched: length - MATCH_MIN });
    body[written.to++] = (at - from) & 255;
    body[written.to++] = (at - from) >>> 8;
    putCount(body, written, length - MATCH_MIN);
    at += length;
    written.literalsFrom = at;
  }
  putLiterals(body, written, { block, until: block.length, matched: 0 });
  return body.subarray(0, written.to);
}

/** The begin of a sequence: its token, and the literals since the last one. */
function putLiterals(
  body: Buffer,
  written: Written,
  { block, until, matched }: { readonly block: Uint8Array; readonly until: number; readonly matched: number },
): void {
  const { literalsFrom } = written;
  const literals = until - literalsFrom;
  body[written.to++] = (Math.min(literals, COUNT_MAX) << 4) | Math.min(matched, COUNT_MAX);
  putCount(body, written, literals);
  if (literals > SHORT) body.set(block.subarray(literalsFrom, until), written.to);
  else for (let n = 0; n < literals; n++) body[written.to + n] = block[literalsFrom + n] ?? 0;
  written.to += literals;
}

/** What of a count did not go into the token. */
function putCount(body: Buffer, written: Written, count: number): void {
  if (count < COUNT_MAX) return;
  let left = count - COUNT_MAX;
  for (; left >= 255; left -= 255) body[written.to++] = 255;
  body[written.to++] = left;
}
