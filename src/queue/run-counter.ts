/**
 * The runs that ended in the compact queue, counted as they come, for whoever works towards an end: how many, how, and
 * what they moved. Ended jobs are kept for a while, so looking often enough misses none. It changes nothing.
 */
import { safeJson } from '../format.ts';
import { type QueueOptions, queueCall } from './bullmq.ts';
import { BullmqKeys, type EndedJob } from './bullmq-keys.ts';
import { type CompactQueue, KEEP_FAILED } from './compact-queue.ts';

/** Jobs that one look reads at most, of those done and of those given up: no more are kept. */
const LOOK_MAX = KEEP_FAILED.count;
/** A clock may be set back a little between two looks. */
const SKEW_MS = 5_000;
/** Ids that are remembered so that none counts twice. */
const SEEN_MAX = 20_000;

type EndState = 'completed' | 'failed';

export interface RunCounts {
  /** Runs by their ending, as run reports name it; `later` only where no further try follows. */
  readonly endings: Readonly<Record<string, number>>;
  readonly chunksCompacted: number;
  /** Payload read plus written. */
  readonly bytesMoved: number;
  readonly getsSaved: number;
  readonly bytesReclaimed: number;
}

interface RunCounterOptions extends QueueOptions {
  readonly queue: Pick<CompactQueue, 'queue'>;
  /** Whether a worker of this name is to be counted; of this host. */
  readonly isOwn: (worker: string) => boolean;
}

/** Errors are CompactError `queue-unavailable` (retry). */
export class RunCounter {
  readonly #options: RunCounterOptions;
  readonly #keys: BullmqKeys;
  readonly #seen = new Set<string>();
  /** By this host's clock, with which its workers note ends. */
  #sinceMs = Date.now();
  #endings: Record<string, number> = {};
  #sums = { chunksCompacted: 0, bytesMoved: 0, getsSaved: 0, bytesReclaimed: 0 };

  constructor(options: RunCounterOptions) {
    this.#options = options;
    this.#keys = new BullmqKeys(options.connection, options.queue.queue);
  }

  get counts(): RunCounts {
    return { endings: { ...this.#endings }, ...this.#sums };
  }

  /** Takes what has ended by now for counted. */
  async begin(): Promise<void> {
    for (const { id, state } of await this.#ended()) this.#seen.add(`${state} ${id}`);
  }

  /** Counts what has ended since the last look. */
  async look(): Promise<void> {
    const nowMs = Date.now();
    const fresh = (await this.#ended()).filter(({ id, state }) => !this.#seen.has(`${state} ${id}`));
    const ended = await queueCall('count the runs that ended', () => this.#keys.ended(fresh.map(({ id }) => id)));
    for (const [n, { id, state }] of fresh.entries()) this.#count(id, state, ended[n]);
    this.#sinceMs = nowMs;
    for (const id of this.#seen) {
      if (this.#seen.size <= SEEN_MAX) break;
      this.#seen.delete(id);
    }
  }

  async #ended(): Promise<readonly { readonly id: string; readonly state: EndState }[]> {
    const from = this.#sinceMs - SKEW_MS;
    return queueCall('count the runs that ended', async () => {
      const endedAs = async (state: EndState) =>
        (await this.#keys.endedSince(state, from, LOOK_MAX)).map((id) => ({ id, state }));
      return (await Promise.all([endedAs('completed'), endedAs('failed')])).flat();
    });
  }

  #count(id: string, state: EndState, job: EndedJob | undefined): void {
    if (job === undefined || job.worker === null) return;
    const { worker, result, progress } = job;
    this.#seen.add(`${state} ${id}`);
    if (!this.#options.isOwn(worker)) return;
    const kept = asRecord(safeJson((state === 'completed' ? result : progress) ?? ''));
    const report = state === 'completed' ? kept : asRecord(kept['report']);
    const ending = typeof report['ending'] === 'string' ? report['ending'] : 'halted';
    this.#endings[ending] = (this.#endings[ending] ?? 0) + 1;
    const effect = effectOf(report);
    this.#sums.chunksCompacted += effect.chunksCompacted;
    this.#sums.bytesMoved += effect.bytesMoved;
    this.#sums.getsSaved += effect.getsSaved;
    this.#sums.bytesReclaimed += effect.bytesReclaimed;
  }
}

/** What a run did by its report; what that does not say is 0. */
export function effectOf(report: unknown): Omit<RunCounts, 'endings'> {
  const { chunksCompacted, ...parts } = asRecord(report);
  const [cost, gain] = [asRecord(parts['cost']), asRecord(parts['gain'])];
  return {
    chunksCompacted: numberOf(chunksCompacted),
    bytesMoved: numberOf(cost['readBytes']) + numberOf(cost['writeBytes']),
    getsSaved: numberOf(gain['getsBefore']) - numberOf(gain['getsAfter']),
    bytesReclaimed: numberOf(gain['storedBytesBefore']) - numberOf(gain['storedBytesAfter']),
  };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
