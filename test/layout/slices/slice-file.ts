/**
 * A chunk list with the bytes of its slices, read and rewritten byte by byte: what carrying a plan out makes of it. An
 * oracle: it shares no code with the layout, and takes from a plan only what is to be kept and what is to be written.
 */
import type { SlicePlan, SliceRecord } from '../../../src/layout/slices/index.ts';

/** Of new slices, from here upwards; tests make none of their own. */
const NEW_ID = 1_000_000n;

export class SliceFile {
  readonly records: readonly SliceRecord[];
  readonly #span: number;
  readonly #written: ReadonlyMap<bigint, readonly string[]>;

  constructor(
    records: readonly SliceRecord[],
    span: number,
    written: ReadonlyMap<bigint, readonly string[]> = new Map(),
  ) {
    this.records = records;
    this.#span = span;
    this.#written = written;
  }

  /** What each byte of the chunk reads as: a text of its own for each byte of each slice, or zero. */
  content(): readonly string[] {
    const shown = new Array<string>(this.#span).fill('0');
    for (const { offset, len, id, from } of this.records)
      for (let n = 0; n < len; n++) shown[offset + n] = id === 0n ? '0' : this.#byte(id, from + n);
    return shown;
  }

  #byte(id: bigint, n: number): string {
    const written = this.#written.get(id);
    return written === undefined ? `${id}:${n}` : (written[n] ?? 'beyond its slice');
  }

  /** The list as a plan leaves it, with new slices that hold what it says. A hole in one would read as no byte of before. */
  carriedOut({ kept, merged }: Pick<SlicePlan, 'kept' | 'merged'>): SliceFile {
    const list: SliceRecord[] = kept.map(({ begin, end, id, size, from }) => {
      return { offset: begin, len: end - begin, id, size, from };
    });
    const written = new Map<bigint, readonly string[]>();
    for (const [n, { begin, end, pieces }] of merged.entries()) {
      const bytes = new Array<string>(end - begin).fill('a hole that was written');
      for (const piece of pieces)
        for (let at = piece.begin; at < piece.end; at++)
          bytes[at - begin] = this.#byte(piece.id, piece.from + at - piece.begin);
      const id = NEW_ID + BigInt(n);
      written.set(id, bytes);
      list.push({ offset: begin, len: end - begin, id, size: bytes.length, from: 0 });
    }
    return new SliceFile(
      list.toSorted((a, b) => a.offset - b.offset),
      this.#span,
      written,
    );
  }

  overlaps(): boolean {
    const taken = new Set<number>();
    let bytes = 0;
    for (const { offset, len } of this.records) {
      for (let n = 0; n < len; n++) taken.add(offset + n);
      bytes += len;
    }
    return taken.size < bytes;
  }

  /** How many records name a slice. */
  named(id: bigint): number {
    return this.records.filter((record) => record.id === id).length;
  }

  /** Stored bytes of those of its slices that are asked for, each once. */
  bytes(asked: (id: bigint) => boolean): number {
    const sizes = new Map(this.records.map(({ id, size }) => [id, size]));
    let sum = 0;
    for (const [id, size] of sizes) if (id !== 0n && asked(id)) sum += size;
    return sum;
  }
}
