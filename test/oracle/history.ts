/**
 * What a client has done to one file, and so what every byte may read as, whatever a compaction did meanwhile (I1).
 * Bytes cut off by a truncate and exposed again by a later growth may read as old or as zero; all others have one value.
 * It must not look at the metadata: it remembers what was written, not what is stored.
 */
import { fillContent } from './content.ts';
import { HOLE, ownersOf } from './layout.ts';
import type { OracleGeometry, OracleVersion } from './types.ts';

/** Bytes judged at a time: memory stays small for whole chunks. */
const WINDOW_BYTES = 1024 * 1024;

interface Written {
  readonly version: OracleVersion;
  /** The shortest the file has been since this was written. */
  shortest: number;
}

export class History {
  readonly geometry: OracleGeometry;
  #length = 0;
  readonly #chunks = new Map<number, Written[]>();

  constructor(geometry: OracleGeometry) {
    this.geometry = geometry;
  }

  get length(): number {
    return this.#length;
  }

  /** The same past, to go on from on its own: what a server that loses its last writes falls back to. */
  clone(): History {
    const copy = new History(this.geometry);
    copy.#length = this.#length;
    for (const [index, written] of this.#chunks) {
      copy.#chunks.set(
        index,
        written.map((entry) => ({ ...entry })),
      );
    }
    return copy;
  }

  /** The lists as the writers made them, never compacted. */
  get lists(): Map<number, OracleVersion[]> {
    return new Map([...this.#chunks].map(([index, written]) => [index, written.map(({ version }) => version)]));
  }

  /** A version was appended to its chunk's list. The length is told apart. */
  append(version: OracleVersion): void {
    const index = Math.floor(version.offset / this.geometry.chunkSize);
    const written = this.#chunks.get(index);
    const entry = { version, shortest: Number.POSITIVE_INFINITY };
    if (written === undefined) this.#chunks.set(index, [entry]);
    else written.push(entry);
  }

  /** The length was set, upwards or downwards. */
  setLength(length: number): void {
    if (length < this.#length) {
      for (const written of this.#chunks.values()) {
        for (const entry of written) entry.shortest = Math.min(entry.shortest, length);
      }
    }
    this.#length = length;
  }

  /** `null` when `actual`, read from file offset `begin` on, is what a reader may see; else where and how it differs. */
  mismatch(actual: Uint8Array, begin = 0): string | null {
    const end = begin + actual.length;
    for (let at = begin; at < end; ) {
      const chunk = Math.floor(at / this.geometry.chunkSize);
      const stop = Math.min(end, (chunk + 1) * this.geometry.chunkSize, at + WINDOW_BYTES);
      const fault = this.#windowMismatch(this.#chunks.get(chunk) ?? [], actual.subarray(at - begin, stop - begin), at);
      if (fault !== null) return fault;
      at = stop;
    }
    return null;
  }

  #windowMismatch(written: readonly Written[], actual: Uint8Array, begin: number): string | null {
    const versions = written.map(({ version }) => version);
    const owners = ownersOf(versions, begin, begin + actual.length);
    const expected = expectedBytes(versions, owners, begin);
    if (expected.equals(actual)) return null;
    for (const [at, byte] of actual.entries()) {
      if (byte === expected[at]) continue;
      const owner = owners[at] ?? HOLE;
      const entry = written[owner];
      if (byte === 0 && entry !== undefined && begin + at >= entry.shortest) continue;
      const chunk = Math.floor(begin / this.geometry.chunkSize);
      return `file offset ${begin + at} (chunk ${chunk}) reads ${byte}, must be ${expected[at]} of version ${owner} (chunkId ${entry?.version.chunkId ?? 'none'})`;
    }
    return null;
  }
}

/** What these owners wrote, run by run; holes and zero versions are zero. */
function expectedBytes(versions: readonly OracleVersion[], owners: Int32Array, begin: number): Buffer {
  const bytes = Buffer.alloc(owners.length);
  for (let at = 0; at < owners.length; ) {
    const owner = owners[at] ?? HOLE;
    let stop = at + 1;
    while (stop < owners.length && owners[stop] === owner) stop++;
    const version = versions[owner];
    if (version?.zero === false) fillContent(bytes.subarray(at, stop), version.chunkId, begin + at);
    at = stop;
  }
  return bytes;
}
