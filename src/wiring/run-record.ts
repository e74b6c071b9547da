/**
 * What one run over one inode did, as it is gathered while it runs: time by phase, requests, waits, chunks and the ids of
 * its reap records. The one log line of an attempt and the counters are made from it. It belongs to one run and is found
 * by whatever that run calls; it must be quick, and nothing rests on it.
 */
import type { ChunkDone, RunObserver, RunPhase } from '../compact/types.ts';
import type { CompactError } from '../errors.ts';
import type { RequestOutcome } from '../objects/retrying-store.ts';
import type { RequestEvent } from '../observe/run-spans.ts';
import { RunWaits } from './run-waits.ts';

/** Ids of reap records in the log line; a run with more tells their number. */
const RECORD_IDS_MAX = 20;

export type ChunkEvent = Parameters<RunObserver['chunk']>[1];

/** What whoever makes a record wants to hear at once. */
interface RunRecordListener {
  phase?(phase: RunPhase, chunkIndex: number | undefined): void;
  request?(event: RequestEvent): void;
  chunk?(plan: ChunkDone, ending: ChunkEvent): void;
  failed?(error: CompactError, chunkIndex: number): void;
  idsWait?(ms: number): void;
}

/** Plain JSON for the log line; durations in ms, nothing that is zero. */
export type RunFields = ReturnType<RunRecord['end']>;

type BudgetPart = Parameters<RunObserver['spent']>[0];

export class RunRecord implements RunObserver {
  /** What it waits for now. */
  readonly waits = new RunWaits();
  readonly #listener: RunRecordListener;
  #phase: RunPhase = 'plan';
  #phaseSinceMs = performance.now();
  readonly #phasesMs = new Map<RunPhase, number>();
  readonly #chunks = new Map<string, number>();
  readonly #requests = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #waitsMs = new Map<string, number>();
  readonly #spent = new Set<BudgetPart>();
  readonly #recordIds: string[] = [];
  #recordCount = 0;
  #retries = 0;
  #bytesRead = 0;
  #bytesWritten = 0;
  #metadataCalls = 0;

  constructor(listener: RunRecordListener = {}) {
    this.#listener = listener;
  }

  phase(phase: RunPhase, chunkIndex?: number): void {
    const nowMs = performance.now();
    add(this.#phasesMs, this.#phase, nowMs - this.#phaseSinceMs);
    this.#phase = phase;
    this.#phaseSinceMs = nowMs;
    this.#listener.phase?.(phase, chunkIndex);
  }

  chunk(plan: ChunkDone, ending: ChunkEvent): void {
    add(this.#chunks, ending.outcome, 1);
    if (plan.blocksLeft > 0) this.#spent.add('blocks');
    this.#listener.chunk?.(plan, ending);
  }

  failed(error: CompactError, chunkIndex: number): void {
    add(this.#chunks, error.code, 1);
    this.#listener.failed?.(error, chunkIndex);
  }

  idsWait(ms: number | null): void {
    this.waits.ids(ms);
    if (ms !== null) this.#listener.idsWait?.(ms);
  }

  spent(budget: BudgetPart): void {
    this.#spent.add(budget);
  }

  request(event: Omit<RequestEvent, 'isFailure'> & { readonly outcome: RequestOutcome }): void {
    const { operation, outcome, bytes } = event;
    const isFailure = !isAnswer(outcome);
    add(this.#requests, operation, 1);
    if (isFailure) add(this.#failures, outcome, 1);
    if (operation === 'get') this.#bytesRead += bytes;
    if (operation === 'put') this.#bytesWritten += bytes;
    this.#listener.request?.({ ...event, isFailure });
  }

  retried(): void {
    this.#retries++;
  }

  waited(limit: string, ms: number): void {
    add(this.#waitsMs, limit, ms);
  }

  metadataCall(): void {
    this.#metadataCalls++;
  }

  reapRecord(id: string): void {
    this.#recordCount++;
    if (this.#recordIds.length < RECORD_IDS_MAX) this.#recordIds.push(id);
  }

  /** Ends the last phase; what the run did. */
  end() {
    this.phase('end');
    return {
      phasesMs: rounded(this.#phasesMs),
      chunks: Object.fromEntries(this.#chunks),
      s3: {
        requests: Object.fromEntries(this.#requests),
        failures: Object.fromEntries(this.#failures),
        retries: this.#retries,
        bytesRead: this.#bytesRead,
        bytesWritten: this.#bytesWritten,
      },
      metadataCalls: this.#metadataCalls,
      waitsMs: rounded(this.#waitsMs),
      budgetSpent: [...this.#spent],
      reapRecords: this.#recordIds,
      reapRecordCount: this.#recordCount,
    };
  }
}

/** Outcomes that are an answer and no failure. */
export function isAnswer(outcome: RequestOutcome): boolean {
  return outcome === 'ok' || outcome === 'exists' || outcome === 'absent';
}

function add<Key>(sums: Map<Key, number>, key: Key, by: number): void {
  sums.set(key, (sums.get(key) ?? 0) + by);
}

/** Tenths of a millisecond. */
function rounded<Key extends string>(sums: ReadonlyMap<Key, number>): Partial<Record<Key, number>> {
  return Object.fromEntries([...sums].map(([key, ms]) => [key, Math.round(ms * 10) / 10])) as Partial<
    Record<Key, number>
  >;
}
