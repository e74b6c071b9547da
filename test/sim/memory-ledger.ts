/**
 * The reap ledger in memory, on the world's clock. A record that is being looked at is not delayed, as in BullMQ, so a
 * stamp that comes then is added anew.
 */
import type { ReapLedger, ReapRecord } from '../../src/ledger.ts';
import { Boundary } from './boundary.ts';

export class LedgerState {
  readonly records = new Map<string, ReapRecord>();
  readonly inWork = new Set<string>();
  nowMs = 1_700_000_000_000;
  #next = 0;

  newId(): string {
    return `record-${this.#next++}`;
  }

  /** The record that is due first, or `undefined` when there is none. */
  first(): { readonly id: string; readonly record: ReapRecord } | undefined {
    const sorted = [...this.records].sort((a, b) => a[1].dueMs - b[1].dueMs);
    const [first] = sorted;
    return first === undefined ? undefined : { id: first[0], record: first[1] };
  }
}

/** One process's view of the ledger. */
export class MemoryLedger implements ReapLedger {
  readonly #state: LedgerState;
  readonly #boundary: Boundary;

  constructor(state: LedgerState, boundary = new Boundary()) {
    this.#state = state;
    this.#boundary = boundary;
  }

  nowMs(): Promise<number> {
    return this.#boundary.cross('ledger.nowMs', () => this.#state.nowMs);
  }

  add(record: ReapRecord): Promise<string> {
    return this.#boundary.cross('ledger.add', () => this.#insert(record));
  }

  async stamp(id: string, record: ReapRecord): Promise<void> {
    await this.#boundary.cross('ledger.stamp', () => {
      if (this.#state.records.has(id) && !this.#state.inWork.has(id)) this.#state.records.set(id, record);
      else this.#insert(record);
    });
  }

  async expedite(id: string, record: ReapRecord): Promise<void> {
    await this.#boundary.cross('ledger.expedite', () => {
      const due = { ...record, dueMs: this.#state.nowMs };
      if (this.#state.records.has(id) && !this.#state.inWork.has(id)) this.#state.records.set(id, due);
      else this.#insert(due);
    });
  }

  #insert(record: ReapRecord): string {
    const id = this.#state.newId();
    this.#state.records.set(id, record);
    return id;
  }
}
