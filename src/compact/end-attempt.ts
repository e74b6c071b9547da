/**
 * The end of an attempt: no fence is left standing, and reap records of chunks that were not committed are worked off
 * now. It goes on where everything else gives up: a ledger that is away may come back without its last second, and so
 * without the records; then nobody but the attempt still knows of its objects (I12). It deletes nothing.
 */
import type { Clock } from '../clock.ts';
import { CompactError, toError } from '../errors.ts';
import type { ReapLedger } from '../ledger.ts';
import type { MetadataStore } from '../metadata/port.ts';
import { type Attempt, RETRY_FIRST_MS, waitToRetry } from './attempt.ts';

interface EndDeps {
  readonly metadata: MetadataStore;
  readonly ledger: ReapLedger;
  readonly clock: Clock;
  /** Who is asked to stop tries once more, at once. */
  readonly signal?: AbortSignal | undefined;
}

/** Ends an attempt, trying until its lease ends (I8). Never throws; what could not be done is reported as a warning. */
export async function endAttempt(attempt: Attempt, deps: EndDeps): Promise<string | undefined> {
  let delayMs = RETRY_FIRST_MS;
  for (;;) {
    const last = deps.signal?.aborted === true || attempt.leaseLeftMs() <= delayMs;
    const fault = await handOver(attempt, deps);
    if (fault === undefined) return undefined;
    const mayPass = fault instanceof CompactError && fault.kind === 'retry';
    // With its records handed over nothing is left to be known: their first look clears a fence that still stands.
    if (last || !mayPass || attempt.abandoned.length === 0) {
      return `the attempt could not be closed (${fault.message}); its reap records do that when the lease ends`;
    }
    delayMs = await waitToRetry(delayMs, deps);
  }
}

/** What stood in the way. A record that was handed over is not handed over again. */
async function handOver({ key, id: attemptId, abandoned }: Attempt, deps: EndDeps): Promise<Error | undefined> {
  let fault: Error | undefined;
  try {
    await deps.metadata.clearFence(key, attemptId);
  } catch (error) {
    fault = toError(error);
  }
  try {
    for (let next = abandoned[0]; next !== undefined; next = abandoned[0]) {
      await deps.ledger.expedite(next.id, next.record);
      abandoned.shift();
    }
  } catch (error) {
    fault = toError(error);
  }
  return fault;
}
