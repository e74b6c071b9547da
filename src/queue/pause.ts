/**
 * Pause and resume, of everything or of one file system, kept in Redis so that they survive any restart. A job of a
 * paused file system that a worker takes is parked: delayed, so that nobody spins on it, and noted, so that resume brings
 * it back at once; were that note lost it would come back by itself. Pausing cancels no run and loses no job.
 */
import type { Job, Queue } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { z } from 'zod';
import { decimalNumber, safeJson } from '../format.ts';
import { inOneStep, type QueueOptions, queueCall } from './bullmq.ts';
import { BullmqKeys } from './bullmq-keys.ts';
import type { CompactJobData } from './compact-queue.ts';
import { isGoneOrTaken, type ReapJobData } from './reap-queue.ts';

/** A parked job looks again this often, should nobody resume it. */
export const PARK_MS = 60 * 60 * 1000;
/** A note of parked jobs outlives the last of them, which comes back by itself, and then goes. */
const PARKED_LIFE_MS = 2 * PARK_MS;
/** Parked jobs that are brought back at a time. */
const BATCH = 200;

/**
 * KEYS: notes of parked jobs, each with the number of the start that was parked. ARGV: ids and numbers. A job that came back, was taken and
 * parked again meanwhile has a newer note, which stays.
 */
const FORGET = `
for n = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[n]) == ARGV[n + 1] then redis.call('HDEL', KEYS[1], ARGV[n]) end
end
`;

const noteSchema = z.object({ sinceMs: z.number(), by: z.string() });

interface PausedFilesystem {
  readonly fsId: number;
  readonly sinceMs: number;
  /** Who paused it: a host and process. */
  readonly by: string;
}

export interface Paused {
  /** No worker takes a job of the compact queue. */
  readonly compact: boolean;
  /** Nor of the reap queue: nothing is deleted. */
  readonly reap: boolean;
  /** In the order of their ids. */
  readonly filesystems: readonly PausedFilesystem[];
}

interface ControlOptions extends QueueOptions {
  readonly compact: Queue<CompactJobData>;
  readonly reap: Queue<ReapJobData>;
}

/** Errors are CompactError `queue-unavailable` (retry). */
export class QueueControl {
  readonly #redis: Redis | Cluster;
  readonly #prefix: string;
  readonly #compact: Queue<CompactJobData>;
  readonly #reap: Queue<ReapJobData>;

  constructor(options: ControlOptions) {
    this.#redis = options.connection;
    this.#prefix = options.prefix;
    this.#compact = options.compact;
    this.#reap = options.reap;
  }

  /** What is paused; a note that cannot be read is a pause all the same. */
  async paused(): Promise<Paused> {
    return queueCall('ask what is paused', async () => {
      const [compact, reap, notes] = await Promise.all([
        this.#compact.isPaused(),
        this.#reap.isPaused(),
        this.#redis.hgetall(this.#pausedKey),
      ]);
      const filesystems = Object.entries(notes).flatMap(([id, text]) => {
        const fsId = decimalNumber(id);
        return fsId === null ? [] : [{ fsId, ...noteOf(text) }];
      });
      return { compact, reap, filesystems: filesystems.toSorted((a, b) => a.fsId - b.fsId) };
    });
  }

  /** Whether the file system, or everything, is paused: a scan feeds nothing then. One round trip. */
  async isPaused(fsId: number): Promise<boolean> {
    return queueCall('ask what is paused', async () => {
      const [one, all] = await Promise.all([
        this.#redis.hexists(this.#pausedKey, `${fsId}`),
        new BullmqKeys(this.#redis, this.#compact).isPaused(),
      ]);
      return one === 1 || all;
    });
  }

  /** Whether jobs of this file system are to be parked. One round trip. */
  async isFilesystemPaused(fsId: number): Promise<boolean> {
    return queueCall('ask what is paused', async () => (await this.#redis.hexists(this.#pausedKey, `${fsId}`)) === 1);
  }

  /** `false` when it was paused already; the first note stays. */
  async pauseFilesystem(fsId: number, note: { readonly sinceMs: number; readonly by: string }): Promise<boolean> {
    return queueCall('pause a file system', async () => {
      return (await this.#redis.hsetnx(this.#pausedKey, `${fsId}`, JSON.stringify(note))) === 1;
    });
  }

  /** Resumes one file system; tells how many parked jobs came back. What a failure leaves, the same call brings back. */
  async resumeFilesystem(fsId: number): Promise<{ readonly resumed: boolean; readonly jobs: number }> {
    return queueCall('resume a file system', async () => {
      const step = this.#redis.multi().hdel(this.#pausedKey, `${fsId}`).sadd(this.#resumingKey, fsId);
      const [resumed] = await inOneStep(step.pexpire(this.#resumingKey, PARKED_LIFE_MS));
      const notes = Object.entries(await this.#redis.hgetall(this.#parkedKey(fsId)));
      const { jobs, inHand } = await this.#unpark(fsId, notes);
      // Whoever has one in hand brings it back, or dies and leaves it to the next resume.
      if (inHand === 0) await this.#redis.srem(this.#resumingKey, fsId);
      return { resumed: resumed === 1, jobs };
    });
  }

  async pauseAll(options: { readonly reap: boolean }): Promise<void> {
    await queueCall('pause the queues', async () => {
      await this.#compact.pause();
      if (options.reap) await this.#reap.pause();
    });
  }

  /** Everything: both queues and every file system, also one whose resume broke off; tells which of them had anything to resume. */
  async resumeAll(): Promise<{ readonly filesystems: readonly number[]; readonly jobs: number }> {
    return queueCall('resume the queues', async () => {
      await this.#compact.resume();
      await this.#reap.resume();
      const filesystems: number[] = [];
      let jobs = 0;
      const paused = await this.#redis.hkeys(this.#pausedKey);
      for (const id of new Set([...paused, ...(await this.#redis.smembers(this.#resumingKey))])) {
        const fsId = decimalNumber(id);
        if (fsId === null) await this.#redis.hdel(this.#pausedKey, id);
        else {
          const one = await this.resumeFilesystem(fsId);
          jobs += one.jobs;
          if (one.resumed || one.jobs > 0) filesystems.push(fsId);
        }
      }
      return { filesystems, jobs };
    });
  }

  /** Puts an active job of a paused file system aside; the caller then throws BullMQ's DelayedError. */
  async park(job: Job<CompactJobData>, fsId: number, token: string | undefined): Promise<void> {
    await queueCall('park a job', async () => {
      const parked = this.#parkedKey(fsId);
      const note = this.#redis.multi().hset(parked, job.id ?? '', job.attemptsStarted);
      await inOneStep(note.pexpire(parked, PARKED_LIFE_MS));
      await job.moveToDelayed(Date.now() + PARK_MS, token);
      // Resumed meanwhile: whoever did it may have come too early to see this job, or found it still active.
      if (!(await this.isFilesystemPaused(fsId))) await this.#unpark(fsId, [[job.id ?? '', `${job.attemptsStarted}`]]);
    });
  }

  /** Brings jobs back, by their ids and the numbers of the starts that were parked. */
  async #unpark(fsId: number, notes: readonly (readonly [string, string])[]) {
    let jobs = 0;
    let inHand = 0;
    const key = this.#parkedKey(fsId);
    for (let from = 0; from < notes.length; from += BATCH) {
      const batch = notes.slice(from, from + BATCH);
      const found = await Promise.all(batch.map(([id, start]) => this.#promote(id, start)));
      jobs += found.filter((one) => one === 'promoted').length;
      const done = batch.filter((_, n) => found[n] !== 'in-hand');
      inHand += batch.length - done.length;
      if (done.length > 0) await this.#redis.eval(FORGET, 1, key, ...done.flat());
    }
    return { jobs, inHand };
  }

  /** `in-hand`: it is being parked, and may be delayed the next moment; its note must stay. `over`: its note says nothing any more. */
  async #promote(jobId: string, start: string): Promise<'promoted' | 'in-hand' | 'over'> {
    const job = await this.#compact.getJob(jobId);
    if (job === undefined) return 'over';
    try {
      await job.promote();
      return 'promoted';
    } catch (error) {
      if (!isGoneOrTaken(error)) throw error;
      if (`${job.attemptsStarted}` !== start) return 'over';
      const state = await job.getState();
      return state === 'active' || state === 'delayed' ? 'in-hand' : 'over';
    }
  }

  get #pausedKey(): string {
    return `${this.#prefix}:paused`;
  }

  /** File systems whose parked jobs are being brought back. */
  get #resumingKey(): string {
    return `${this.#prefix}:resuming`;
  }

  #parkedKey(fsId: number): string {
    return `${this.#prefix}:parked-jobs:${fsId}`;
  }
}

function noteOf(text: string): { readonly sinceMs: number; readonly by: string } {
  return noteSchema.safeParse(safeJson(text)).data ?? { sinceMs: 0, by: 'unknown' };
}
