/**
 * The reap ledger as delayed BullMQ jobs. A record is one job; the job's delay only wakes somebody, the
 * record's `dueMs` in the ledger's own clock decides. It must never drop a record of a
 * file system that is there: what cannot be changed is added again, since working off a record twice does no harm.
 */

import { randomUUID } from 'node:crypto';
import { ErrorCode, Job, Queue } from 'bullmq';
import { z } from 'zod';
import { CompactError } from '../errors.ts';
import { decimalId, safeJson } from '../format.ts';
import {
  type OldIds,
  REAP_NAMES_MAX,
  REAP_VERSIONS_MAX,
  type ReapLedger,
  type ReapRecord,
  type ReapRecords,
} from '../ledger.ts';
import type { Filesystem } from '../model.ts';
import { elapsed, type LedgerMs, ledgerMs } from '../time.ts';
import { type QueueOptions, queueCall } from './bullmq.ts';
import { BullmqKeys } from './bullmq-keys.ts';
import { REAP_QUEUE } from './compact-queue.ts';
import { askOldIds, idNotesKey } from './id-ages.ts';

/** Our processor delays a record itself and never fails it; this covers a fault in the processor: 1,900 years of tries (I8). */
const RETRY_FOREVER = { attempts: 1_000_000_000, backoff: { type: 'fixed', delay: 60_000 } } as const;

/** The record as JSON: ids are decimal text. */
export type ReapJobData = Omit<ReapRecord, 'key' | 'attempt'> & {
  readonly fsId: number;
  readonly inodeId: string;
  readonly attempt: string;
};

const id = z.string().transform((text, context) => {
  const value = decimalId(text);
  if (value !== null) return value;
  context.addIssue({ code: 'custom', message: 'not a decimal id' });
  return z.NEVER;
});
const names = z.array(z.string().min(1)).max(2 * REAP_NAMES_MAX);
const ms = z.number().nonnegative();
const time = ms.transform(ledgerMs);
const layout = z.object({
  blockSize: z.number().int().positive(),
  chunkSize: z.number().int().positive(),
  objectPrefix: z.union([z.literal(0), z.literal(1), z.literal(2)]),
});
const recordSchema = z.object({
  storeId: z.string(),
  fsUuid: z.string(),
  bucket: z.string(),
  layout: layout.optional(),
  fsId: z.number().int().nonnegative(),
  inodeId: id,
  chunkIndex: z.number().int().nonnegative(),
  attempt: id,
  incarnation: z.string().max(200).optional(),
  retired: names,
  merged: names,
  replaced: z.array(z.string()).max(REAP_VERSIONS_MAX).optional(),
  replacedPart: z.object({ from: z.number().int().nonnegative(), of: z.number().int().nonnegative() }).optional(),
  dueMs: time,
  graceMs: ms.optional(),
  stampMs: time.optional(),
  unreferenced: names.optional(),
  missingSinceMs: time.optional(),
  doubts: z.number().int().nonnegative().optional(),
});

export function printReapRecord(record: ReapRecord): ReapJobData {
  const { key, attempt, ...rest } = record;
  return { ...rest, fsId: key.fsId, inodeId: key.inodeId.toString(), attempt: attempt.toString() };
}

/** Throws `queue-unfit` (halt) for data that is not a record. */
export function parseReapRecord(data: unknown): ReapRecord {
  const parsed = recordSchema.safeParse(data);
  if (!parsed.success) {
    throw new CompactError(
      `the reap record cannot be read: ${z.prettifyError(parsed.error)}; it is kept, nothing is deleted`,
      { kind: 'halt', code: 'queue-unfit' },
    );
  }
  const { fsId, inodeId, ...rest } = parsed.data;
  return { ...withoutAbsent(rest), key: { fsId, inodeId } };
}

/** zod gives a field that is absent as `undefined`, or not at all. */
function withoutAbsent<T extends object>(fields: T): WithoutAbsent<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as WithoutAbsent<T>;
}

type WithoutAbsent<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Records that are looked through at most (I8). */
const PENDING_MAX = 1_000_000;
const READ_BATCH = 500;

/** A clock that was asked within this time is near enough for what only wakes somebody. */
const CLOCK_FRESH_MS = 60_000;

/** The ledger in the `reap` queue. Errors are CompactError `queue-unavailable` (retry). */
export class ReapQueue implements ReapLedger, ReapRecords {
  readonly queue: Queue<ReapJobData>;
  readonly #options: QueueOptions;
  readonly #keys: BullmqKeys;
  /** The clock, as it was last asked. */
  #clock = { ms: ledgerMs(0), atMs: Number.NEGATIVE_INFINITY };

  constructor(options: QueueOptions) {
    this.#options = options;
    this.queue = new Queue<ReapJobData>(REAP_QUEUE, options);
    this.#keys = new BullmqKeys(options.connection, this.queue);
    this.queue.on('error', () => undefined);
  }

  oldIds(filesystem: Filesystem, lookOnly?: boolean): Promise<OldIds | null> {
    return askOldIds(this.#options, filesystem, lookOnly);
  }

  async nowMs(): Promise<LedgerMs> {
    return queueCall('ask the time', async () => {
      // On a cluster any node's clock will do: they are kept together far closer than any period here.
      const [seconds, micros] = (await this.#options.connection.time()) as readonly unknown[];
      const ms = ledgerMs(Math.floor(Number(seconds) * 1000 + Number(micros) / 1000));
      this.#clock = { ms, atMs: performance.now() };
      return ms;
    });
  }

  /** From about now: the due time in the record decides, a delay only wakes somebody. */
  async #delayUntil(dueMs: LedgerMs): Promise<number> {
    if (performance.now() - this.#clock.atMs > CLOCK_FRESH_MS) await this.nowMs();
    const { ms, atMs } = this.#clock;
    return Math.max(0, Math.ceil(elapsed(ms, dueMs) - (performance.now() - atMs)));
  }

  async add(record: ReapRecord): Promise<string> {
    const jobId = randomUUID();
    const delay = await this.#delayUntil(record.dueMs);
    await queueCall('write a reap record', () =>
      this.queue.add(REAP_QUEUE, printReapRecord(record), {
        ...RETRY_FOREVER,
        jobId,
        delay,
        removeOnComplete: true,
        stackTraceLimit: 1,
      }),
    );
    return jobId;
  }

  async stamp(jobId: string, record: ReapRecord): Promise<void> {
    if (!(await this.#change(jobId, record))) await this.add(record);
  }

  async expedite(jobId: string, record: ReapRecord): Promise<void> {
    const due = { ...record, dueMs: await this.nowMs() };
    // In work: the look may already be past an object that the attempt put late (I12).
    if (!(await this.#change(jobId, due))) await this.add(due);
  }

  /** `false` when the record is gone or no longer delayed: somebody is looking at it, or has. */
  async #change(jobId: string, record: ReapRecord): Promise<boolean> {
    const delay = await this.#delayUntil(record.dueMs);
    const data = printReapRecord(record);
    return queueCall('change a reap record', async () => {
      if (!(await this.#keys.setDelayedData(jobId, data))) return false;
      try {
        // Refused for a job that somebody has taken meanwhile.
        await new Job(this.queue, REAP_QUEUE, data, {}, jobId).changeDelay(delay);
        return true;
      } catch (error) {
        if (isGoneOrTaken(error)) return false;
        throw error;
      }
    });
  }

  /**
   * The ids of all states are taken in one step, so that a record which moves meanwhile is not missed; one that is gone
   * when it is read was done. Throws `queue-unfit` (halt) for a record that cannot be read.
   */
  async *pending(): AsyncGenerator<ReapRecord> {
    for await (const { record } of this.pendingJobs()) yield record;
  }

  /** The same, with the ids of their jobs. */
  async *pendingJobs(): AsyncGenerator<{ readonly id: string; readonly record: ReapRecord }> {
    const ids = await queueCall('list the reap records', () => this.#keys.idsNotDone());
    if (ids.length > PENDING_MAX) {
      throw new CompactError(
        `there are ${ids.length} reap records, more than ${PENDING_MAX} can be looked through; let workers or "s3compact reap" work them off first`,
        { kind: 'retry', code: 'queue-unavailable' },
      );
    }
    for (let from = 0; from < ids.length; from += READ_BATCH) {
      const batch = ids.slice(from, from + READ_BATCH);
      const found = await queueCall('read the reap records', () => this.#keys.dataOf(batch));
      for (const [n, data] of found.entries())
        if (data !== null) yield { id: batch[n] ?? '', record: parseReapRecord(safeJson(data)) };
    }
  }

  /**
   * Takes away the records of a file system that is gone with all its objects, which nobody could ever work off, and what is
   * noted of its ids. Answers how many records somebody has in hand; those stay.
   */
  async forget({ storeId, fsUuid }: Pick<ReapRecord, 'storeId' | 'fsUuid'>): Promise<number> {
    let inHand = 0;
    await queueCall('forget old ids', () => this.#options.connection.del(idNotesKey(this.#options, fsUuid)));
    for (const id of await queueCall('list the reap records', () => this.#keys.idsNotDone())) {
      const job = await queueCall('read the reap records', () => this.queue.getJob(id));
      if (job?.data.storeId !== storeId || job.data.fsUuid !== fsUuid) continue;
      const removed = await queueCall('remove a reap record', () => this.queue.remove(id));
      if (removed === 0) inHand++;
    }
    return inHand;
  }

  async close(): Promise<void> {
    await this.queue.close();
  }
}

/** BullMQ tells by a number that a job is missing, or not in the state that was asked for. */
export function isGoneOrTaken(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return code === ErrorCode.JobNotExist || code === ErrorCode.JobNotInState;
}
