/**
 * A reader model: the whole file or a range of it, byte by byte, as a CurveFS client reads it, from lists and a way to
 * fetch objects. A client does not notice a short object; this one does, and it never takes a missing one for a hole.
 * It must not know what a compaction is.
 */
import { content } from './content.ts';
import { blockOf, HOLE, offsetInObject, ownersOf } from './layout.ts';
import { oracleName } from './names.ts';
import type { FileState, OracleVersion } from './types.ts';

/** The bytes of an object, or `undefined` when there is none. */
export type Fetch = (name: string) => Uint8Array | undefined;

/** Visible bytes of one version that lie in one block: what a client fetches with one GET, if it is not zero. */
interface Piece {
  readonly version: OracleVersion;
  readonly begin: number;
  readonly end: number;
}

/** The bytes of the file in `[begin, end)`, cut at its length. Throws on a missing or short object. */
export function readRange(file: FileState, begin: number, end: number, fetch: Fetch): Buffer {
  const stop = Math.max(begin, Math.min(end, file.length));
  const bytes = Buffer.alloc(stop - begin);
  for (const piece of pieces(file, begin, stop)) {
    if (piece.version.zero) continue;
    const name = oracleName(file, piece.version, blockOf(piece.begin, file.geometry));
    const object = fetch(name);
    if (object === undefined) throw new Error(`oracle: object ${name} is missing`);
    for (let at = piece.begin; at < piece.end; at++) {
      const byte = object[offsetInObject(piece.version, at, file.geometry)];
      if (byte === undefined) throw new Error(`oracle: object ${name} is short at file offset ${at}`);
      bytes[at - begin] = byte;
    }
  }
  return bytes;
}

/** The whole file. */
export function readFile(file: FileState, fetch: Fetch): Buffer {
  return readRange(file, 0, file.length, fetch);
}

/** The objects that a read of `[begin, end)` touches. */
export function visibleObjects(file: FileState, begin: number, end: number): Set<string> {
  const names = new Set<string>();
  for (const { version, begin: from } of pieces(file, begin, Math.min(end, file.length))) {
    if (!version.zero) names.add(oracleName(file, version, blockOf(from, file.geometry)));
  }
  return names;
}

/** GETs of one full sequential read: one for each visible piece of an object. */
export function fullReadGets(file: FileState): number {
  const { chunkSize } = file.geometry;
  let gets = 0;
  for (const index of file.lists.keys()) {
    const end = Math.min((index + 1) * chunkSize, file.length);
    for (const { version } of pieces(file, index * chunkSize, end)) if (!version.zero) gets += 1;
  }
  return gets;
}

/** What the file must read as, by the content rule. `file.lists` are the lists before any compaction. */
export function expectedRange(file: FileState, begin: number, end: number): Buffer {
  const stop = Math.max(begin, Math.min(end, file.length));
  const bytes = Buffer.alloc(stop - begin);
  for (const { version, begin: from, end: to } of pieces(file, begin, stop)) {
    if (!version.zero) bytes.set(content(version.chunkId, from, to), from - begin);
  }
  return bytes;
}

/** The whole file as it must read. */
export function expectedFile(file: FileState): Buffer {
  return expectedRange(file, 0, file.length);
}

/** The visible pieces of `[begin, end)` in ascending order, holes left out; one block in memory at a time. */
function* pieces(file: FileState, begin: number, end: number): Generator<Piece> {
  const { blockSize, chunkSize } = file.geometry;
  for (let at = begin; at < end; ) {
    const stop = Math.min(end, at + blockSize - ((at % chunkSize) % blockSize));
    const versions = file.lists.get(Math.floor(at / chunkSize)) ?? [];
    yield* runs(versions, at, stop);
    at = stop;
  }
}

function* runs(versions: readonly OracleVersion[], begin: number, end: number): Generator<Piece> {
  const owners = ownersOf(versions, begin, end);
  for (let at = 0; at < owners.length; ) {
    const owner = owners[at] ?? HOLE;
    let stop = at + 1;
    while (stop < owners.length && owners[stop] === owner) stop++;
    const version = versions[owner];
    if (version !== undefined) yield { version, begin: begin + at, end: begin + stop };
    at = stop;
  }
}
