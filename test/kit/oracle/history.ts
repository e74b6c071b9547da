/**
 * What a client has done to one file, and so what every byte may read as, whatever a compaction did meanwhile (I1).
 * Bytes cut off by a truncate and exposed again by a later growth may read as old or as zero; all others have one value.
 * It must not look at the metadata: it remembers what was written, not what is stored.
 */
import { expectedByte, fillContent } from './content.ts';
import { HOLE, ownersOf } from './layout.ts';
import type { OracleGeometry, OracleVersion } from './types.ts';

/**
 * `arrival`: the version that was appended later is read. `id`: a metaserver orders lists by chunkId, and what came after
 * a compaction stays above what that has merged; so of two writers' versions either may be read, unless one of them has
 * both the higher id and the later arrival.
 */
export type HistoryOrder = 'arrival' | 'id';

/** Bytes judged at a time: memory stays small for whole chunks. */
const WINDOW_BYTES = 1024 * 1024;

interface Written {
  readonly version: OracleVersion;
  /** The last time that it was appended; counted. */
  arrival: number;
  /** The shortest the file has been since this was written. */
  shortest: number;
}

export class History {
  readonly geometry: OracleGeometry;
  #length = 0;
  readonly #chunks = new Map<number, Written[]>();
  readonly #order: HistoryOrder;
  #arrivals = 0;

  constructor(geometry: OracleGeometry, order: HistoryOrder = 'arrival') {
    this.geometry = geometry;
    this.#order = order;
  }

  get length(): number {
    return this.#length;
  }

  /** The same past, to go on from on its own: what a server that loses its last writes falls back to. */
  clone(): History {
    const copy = new History(this.geometry, this.#order);
    copy.#length = this.#length;
    copy.#arrivals = this.#arrivals;
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
    const written = this.#chunks.get(index) ?? [];
    this.#chunks.set(index, written);
    written.push({ version, shortest: Number.POSITIVE_INFINITY, arrival: this.#arrivals++ });
    if (this.#order === 'id') written.sort((a, b) => (a.version.chunkId < b.version.chunkId ? -1 : 1));
  }

  /** Its writer has sent the same append once more. */
  appendAgain({ chunkId }: OracleVersion): void {
    for (const written of this.#chunks.values()) {
      for (const entry of written) if (entry.version.chunkId === chunkId) entry.arrival = this.#arrivals++;
    }
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
      if (this.#order === 'id' && mayBeRead(written, begin + at, byte)) continue;
      const chunk = Math.floor(begin / this.geometry.chunkSize);
      return `file offset ${begin + at} (chunk ${chunk}) reads ${byte}, must be ${expected[at]} of version ${owner} (chunkId ${entry?.version.chunkId ?? 'none'})`;
    }
    return null;
  }
}

/** Whether one of the versions that no other has passed in both id and arrival has this byte there. */
function mayBeRead(written: readonly Written[], at: number, byte: number): boolean {
  const covering = written.filter(({ version }) => version.offset <= at && at < version.offset + version.len);
  // By ascending id: passed is who has somebody behind it that also came later.
  return covering.some(
    (one, n) =>
      covering.slice(n + 1).every((other) => other.arrival < one.arrival) &&
      (byte === (one.version.zero ? 0 : expectedByte(one.version.chunkId, at)) || (byte === 0 && at >= one.shortest)),
  );
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
