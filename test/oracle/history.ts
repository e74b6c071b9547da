/**
 * What a client has done to one file, and so what every byte may read as, whatever a compaction did meanwhile (I1).
 * Bytes cut off by a truncate and exposed again by a later growth may read as old or as zero; all others have one value.
 * It must not look at the metadata: it remembers what was written, not what is stored.
 */
import { expectedByte } from './content.ts';
import { HOLE, ownersOf } from './layout.ts';
import type { OracleGeometry, OracleVersion } from './types.ts';

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
      const stop = Math.min(end, (chunk + 1) * this.geometry.chunkSize);
      const fault = this.#chunkMismatch(chunk, actual.subarray(at - begin, stop - begin), at);
      if (fault !== null) return fault;
      at = stop;
    }
    return null;
  }

  #chunkMismatch(chunk: number, actual: Uint8Array, begin: number): string | null {
    const written = this.#chunks.get(chunk) ?? [];
    const owners = ownersOf(
      written.map(({ version }) => version),
      begin,
      begin + actual.length,
    );
    for (const [at, byte] of actual.entries()) {
      const owner = owners[at] ?? HOLE;
      const entry = written[owner];
      const expected = entry === undefined || entry.version.zero ? 0 : expectedByte(entry.version.chunkId, begin + at);
      if (byte === expected) continue;
      if (byte === 0 && entry !== undefined && begin + at >= entry.shortest) continue;
      return `file offset ${begin + at} (chunk ${chunk}) reads ${byte}, must be ${expected} of version ${owner} (chunkId ${entry?.version.chunkId ?? 'none'})`;
    }
    return null;
  }
}
