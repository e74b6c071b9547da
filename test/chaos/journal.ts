/**
 * Everything that writers did to one file, in the order of its lists, and so the file's history (test/oracle) at any
 * moment, also after Redis came back without its last writes. It must not look at the lists: how far Redis kept the
 * journal is reported by a number that is written in the same MULTI as each entry.
 */
import { Mutex } from 'async-mutex';
import { History, type HistoryOrder } from '../kit/oracle/history.ts';
import type { OracleVersion } from '../kit/oracle/types.ts';
import { GEOMETRY } from './settings.ts';

/** One MULTI: a version, or none for a truncate, and the length after it. */
export interface Entry {
  readonly version?: OracleVersion;
  readonly length: number;
  /** When the answer came; unset while the outcome is unknown. */
  ackedAtMs?: number;
}

/** What settling found. */
export interface Settled {
  /** Entries of unknown outcome that were applied. */
  readonly applied: number;
  /** Entries that are not there: never applied, or lost. */
  readonly gone: readonly Entry[];
}

/** The journal of one inode. Who writes an entry, or reads lists to compare with it, holds `order`. */
export class Journal {
  readonly inodeId: bigint;
  /** Held from before the MULTI until its outcome is known or its connection is gone. */
  readonly order = new Mutex();
  #entries: Entry[] = [];
  readonly #listOrder: HistoryOrder;

  constructor(inodeId: bigint, listOrder: HistoryOrder = 'arrival') {
    this.inodeId = inodeId;
    this.#listOrder = listOrder;
  }

  /** How many entries there are; also the number that the last one's MULTI wrote. */
  get count(): number {
    return this.#entries.length;
  }

  /** An entry whose outcome is not known. */
  get unsettled(): boolean {
    return this.#entries.some((entry) => entry.ackedAtMs === undefined);
  }

  get length(): number {
    return this.#entries.at(-1)?.length ?? 0;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** Redis has kept the first `kept` entries. */
  settle(kept: number, nowMs: number): Settled {
    const gone = this.#entries.slice(kept);
    this.#entries = this.#entries.slice(0, kept);
    const unknown = this.#entries.filter((entry) => entry.ackedAtMs === undefined);
    for (const entry of unknown) entry.ackedAtMs = nowMs;
    return { applied: unknown.length, gone };
  }

  /** The history as it is now; later entries do not change it. */
  history(): History {
    const history = new History(GEOMETRY, this.#listOrder);
    for (const { version, length } of this.#entries) {
      if (version !== undefined) history.append(version);
      history.setLength(length);
    }
    return history;
  }
}
