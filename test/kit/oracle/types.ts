/**
 * The oracle's own words for what a CurveFS client sees. They repeat the layout instead of importing it, because the
 * oracle must share no code with what it checks (STYLE): a wrong shape in `src/` must not be wrong here in the same way.
 * Plain values of `src/` happen to fit these shapes, so tests can hand them over without a conversion.
 */

export interface OracleGeometry {
  readonly blockSize: number;
  readonly chunkSize: number;
}

export interface OracleVersion {
  readonly chunkId: bigint;
  readonly compaction: bigint;
  /** File offset, bytes. */
  readonly offset: number;
  readonly len: number;
  readonly size: number;
  readonly zero: boolean;
}

/** Chunk index → versions, oldest first; the last one wins. */
export type OracleLists = ReadonlyMap<number, readonly OracleVersion[]>;

/** Everything a client knows of one file. */
export interface FileState {
  readonly fsId: number;
  readonly inodeId: bigint;
  readonly objectPrefix: number;
  readonly geometry: OracleGeometry;
  readonly length: number;
  readonly lists: OracleLists;
}
