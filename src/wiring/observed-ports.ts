/**
 * The ports as the work sees them, with an observer on every call: the metadata service, the ledger, the memory of merges.
 * Decorators, so that policy and adapters know nothing of metrics. They change no argument, result or error.
 */

import { MemoryBudget, type Reservation } from '../compact/memory-budget.ts';
import { CompactError } from '../errors.ts';
import type { ReapLedger } from '../ledger.ts';
import type { CommitOutcome } from '../metadata/port.ts';
import { portView } from './cancellable.ts';
import type { Observer } from './observer.ts';

/** Calls that are observed, by the name they have in metrics; what is not listed passes through. */
const OBSERVED: Readonly<Record<string, string>> = {
  getFilesystem: 'get-filesystem',
  getInode: 'get-inode',
  readChunk: 'read-chunk',
  begin: 'begin',
  commit: 'commit',
  clearFence: 'clear-fence',
  incarnation: 'incarnation',
  // Of volumes of slices.
  setting: 'get-filesystem',
  inode: 'get-inode',
  list: 'read-chunk',
  clear: 'clear-fence',
};

type Call = (...args: unknown[]) => unknown;

export function observedMetadata<Store extends object>(store: Store, observer: Observer): Store {
  return portView(store, (name, call) => {
    const operation = typeof name === 'string' ? OBSERVED[name] : undefined;
    return operation === undefined ? call : observedCall(operation, call, observer);
  });
}

function observedCall(operation: string, call: Call, observer: Observer): Call {
  return async (...args) => {
    const beganMs = performance.now();
    const { run } = observer;
    run?.waits.began('metadata');
    const report = (code: string) => observer.metadataCall(operation, code, performance.now() - beganMs);
    try {
      const result = await call(...args);
      const outcome = operation === 'commit' ? (result as CommitOutcome) : undefined;
      if (outcome?.outcome === 'unknown') observer.commitAnswerLost(outcome.cause);
      report(outcome?.outcome === 'unknown' ? 'metadata-unavailable' : 'ok');
      return result;
    } catch (error) {
      if (error instanceof CompactError && error.code === 'metadata-unavailable') observer.metadataFailed(error);
      report(error instanceof CompactError ? error.code : 'other');
      throw error;
    } finally {
      run?.waits.ended('metadata');
    }
  };
}

/** The ledger, which reports to a run the ids of its reap records. */
export function observedLedger(ledger: ReapLedger, observer: Observer): ReapLedger {
  return portView(ledger, (name, call) => {
    if (name !== 'add') return call;
    return async (...args) => {
      const id = (await call(...args)) as string;
      observer.run?.reapRecord(id);
      return id;
    };
  });
}

/** The memory of merges, which reports what is held and what had to wait for it. */
export class ObservedMemory extends MemoryBudget {
  readonly #observer: Observer;
  readonly #limit: number;
  /** Of those who hold and those who wait. */
  #askedBytes = 0;

  constructor(bytes: number, observer: Observer) {
    super(bytes);
    this.#observer = observer;
    this.#limit = bytes;
    observer.metrics?.set('s3compact_memory_limit_bytes', bytes);
  }

  override async reserve<T>(sizes: readonly number[], work: (own: Reservation) => Promise<T>): Promise<T> {
    const { metrics } = this.#observer;
    const askedMs = performance.now();
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const held = Math.min(bytes, this.#limit);
    // Not by the time it takes: a busy event loop is no lack of memory.
    this.#askedBytes += held;
    const waits = this.#askedBytes > this.#limit;
    const { run } = this.#observer;
    if (waits) run?.waits.began('memory');
    try {
      return await super.reserve(sizes, async (own) => {
        if (waits) run?.waits.ended('memory');
        if (waits) this.#observer.waited('memory', performance.now() - askedMs);
        metrics?.add('s3compact_memory_reserved_bytes', held);
        try {
          return await work(own);
        } finally {
          metrics?.add('s3compact_memory_reserved_bytes', -held);
        }
      });
    } finally {
      this.#askedBytes -= held;
    }
  }
}
