/**
 * The reap ledger in memory, on the world's clock. A record that is being looked at is not delayed, as in BullMQ, so a
 * stamp that comes then is added anew.
 */

import type { OldIds, ReapLedger, ReapRecord, ReapRecords } from '../../src/ledger.ts';
import { elapsed, type LedgerMs, ledgerMs } from '../../src/time.ts';
import { Boundary, type Crossing } from './boundary.ts';

export class LedgerState {
  readonly records = new Map<string, ReapRecord>();
  /** Every object name that a record has ever had. */
  readonly everRecorded = new Set<string>();
  /** `attempt name` of everything that attempts have stamped or handed over. */
  readonly handedOver = new Set<string>();
  /** How many look at a record now; whoever died at it is still counted, as its job is not delayed either. */
  readonly #looks = new Map<string, number>();
  nowMs = 1_700_000_000_000;
  oldIds: OldIds | null = null;
  /** The ledger's clock. */
  clock: () => number = () => this.nowMs;
  /** Called before a process changes a record. */
  beforeChange: (() => void) | undefined;
  #next = 0;

  now(): LedgerMs {
    return ledgerMs(this.clock());
  }

  newId(): string {
    return `record-${this.#next++}`;
  }

  take(id: string): void {
    this.#looks.set(id, (this.#looks.get(id) ?? 0) + 1);
  }

  leave(id: string): void {
    this.#looks.set(id, (this.#looks.get(id) ?? 0) - 1);
  }

  /** Nobody looks at it, and it is still there. */
  isDelayed(id: string): boolean {
    return this.records.has(id) && (this.#looks.get(id) ?? 0) === 0;
  }

  set(id: string, record: ReapRecord): void {
    this.beforeChange?.();
    for (const name of [...record.retired, ...record.merged]) this.everRecorded.add(name);
    this.records.set(id, record);
  }

  delete(id: string): void {
    this.beforeChange?.();
    this.records.delete(id);
  }

  /** The record that is due first, or `undefined` when there is none. */
  first(): { readonly id: string; readonly record: ReapRecord } | undefined {
    const sorted = [...this.records].sort((a, b) => elapsed(b[1].dueMs, a[1].dueMs));
    const [first] = sorted;
    return first === undefined ? undefined : { id: first[0], record: first[1] };
  }
}

/** One process's view of the ledger. */
export class MemoryLedger implements ReapLedger, ReapRecords {
  readonly #state: LedgerState;
  readonly #boundary: Crossing;

  constructor(state: LedgerState, boundary: Crossing = new Boundary()) {
    this.#state = state;
    this.#boundary = boundary;
  }

  nowMs(): Promise<LedgerMs> {
    return this.#boundary.cross('ledger.nowMs', () => ledgerMs(this.#state.clock()));
  }

  /** No place for a fault: seeded worlds, which know no ages, keep their courses. */
  async oldIds(): Promise<OldIds | null> {
    return this.#state.oldIds;
  }

  add(record: ReapRecord): Promise<string> {
    return this.#boundary.cross('ledger.add', () => this.#insert(record));
  }

  stamp(id: string, record: ReapRecord): Promise<void> {
    return this.#change('ledger.stamp', id, () => record);
  }

  expedite(id: string, record: ReapRecord): Promise<void> {
    return this.#change('ledger.expedite', id, () => ({ ...record, dueMs: ledgerMs(this.#state.clock()) }));
  }

  /** In the steps of the real queue: somebody may take the record, or end it, between any two of them. */
  async #change(name: string, id: string, change: () => ReapRecord): Promise<void> {
    const record = (): ReapRecord => {
      const { attempt, retired, merged } = change();
      for (const object of [...retired, ...merged]) this.#state.handedOver.add(`${attempt} ${object}`);
      return change();
    };
    const delayed = await this.#boundary.cross(name, () => this.#state.isDelayed(id));
    const changed = delayed && (await this.#boundary.cross(name, () => this.#overwrite(id, record())));
    if (!changed) await this.#boundary.cross(name, () => this.#insert(record()));
  }

  /** The text is changed even under the hands of somebody who looks; `false` when that, or its end, came between. */
  #overwrite(id: string, record: ReapRecord): boolean {
    if (!this.#state.records.has(id)) return false;
    this.#state.set(id, record);
    return this.#state.isDelayed(id);
  }

  async *pending(): AsyncGenerator<ReapRecord> {
    yield* await this.#boundary.cross('ledger.pending', () => [...this.#state.records.values()]);
  }

  #insert(record: ReapRecord): string {
    const id = this.#state.newId();
    this.#state.set(id, record);
    return id;
  }
}
