/**
 * Marks that a process leaves in the queue's Redis, each made by a process that is cut off after every number of commands:
 * whatever it left, those who live go on, and nothing of it stands for ever (docs/adr/0021).
 */

import { DelayedError, type Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { InodeKey } from '../../src/model.ts';
import { redisBudget } from '../../src/pace/redis-budget.ts';
import { COMPACT_QUEUE, type CompactJobData, CompactQueue, REAP_QUEUE } from '../../src/queue/compact-queue.ts';
import { QueueGcBook } from '../../src/queue/gc-book.ts';
import { HoldBook } from '../../src/queue/hold-book.ts';
import { JobBound } from '../../src/queue/job-bound.ts';
import { LostJobs } from '../../src/queue/lost-jobs.ts';
import { QueueControl } from '../../src/queue/pause.ts';
import { Quarantine } from '../../src/queue/quarantine.ts';
import { ReapQueue } from '../../src/queue/reap-queue.ts';
import { SCAN_QUEUE, ScanSchedule } from '../../src/queue/scan-schedule.ts';
import { WorkerReports } from '../../src/queue/worker-reports.ts';
import { later, ledgerMs } from '../../src/time.ts';
import { CutOff } from './cut-off.ts';
import { eventually, openQueueWorld, type QueueWorld } from './world.ts';

const FIRST: InodeKey = { fsId: 1, inodeId: 1n };
const KEYS: readonly InodeKey[] = [FIRST, { fsId: 1, inodeId: 2n }, { fsId: 1, inodeId: 3n }];
const NOTE = { sinceMs: 5, by: 'host:1' };
const HELD = { objects: 3, bytes: 4096 };
const LOCK_MS = 200;
/** A connection that is cut does not close by itself. */
const CLOSE_MS = 100;
const STUCK_MS = 15_000;
/** More commands than anything here takes. */
const CUTS_MAX = 200;
const AT_ONCE = 8;
const worlds: QueueWorld[] = [];

afterAll(() => {
  for (const one of worlds) one.close();
});

/** What one process holds. */
class Process {
  readonly queue: CompactQueue;
  readonly ledger: ReapQueue;
  readonly control: QueueControl;
  readonly schedule: ScanSchedule;
  readonly options: { readonly connection: Redis; readonly prefix: string };
  readonly #workers: Worker[] = [];

  constructor(connection: Redis, prefix: string) {
    this.options = { connection, prefix };
    this.queue = new CompactQueue({ ...this.options, jobTries: 3, retryDelayMs: 10, lockDurationMs: LOCK_MS });
    this.ledger = new ReapQueue(this.options);
    this.control = new QueueControl({ ...this.options, compact: this.queue.queue, reap: this.ledger.queue });
    this.schedule = new ScanSchedule({ ...this.options, lockDurationMs: LOCK_MS });
  }

  /** Takes jobs; a lock lasts so long that only its end, or the end of its holder, lets go of it. */
  work(queue: string, process: (job: Job, token?: string) => Promise<unknown>): Worker {
    const connection = this.options.connection.duplicate();
    connection.on('error', () => undefined);
    const worker = new Worker(queue, process, {
      connection,
      prefix: this.options.prefix,
      concurrency: 4,
      lockDuration: LOCK_MS,
      stalledInterval: LOCK_MS,
      maxStalledCount: 100,
      runRetryDelay: 20,
    });
    worker.on('error', () => undefined);
    this.#workers.push(worker);
    return worker;
  }

  /** Runs jobs until it is closed, parking those of paused file systems; tells what it ran. */
  compact(onParked = () => {}): string[] {
    const ran: string[] = [];
    this.work(COMPACT_QUEUE, async (job: Job<CompactJobData>, token) => {
      if (await this.control.isFilesystemPaused(job.data.fsId)) {
        await this.control.park(job, job.data.fsId, token);
        onParked();
        throw new DelayedError();
      }
      ran.push(job.data.inodeId);
    });
    return ran;
  }

  async close(): Promise<void> {
    const all = [...this.#workers.map((one) => one.close(true)), this.queue.close(), this.ledger.close()];
    await Promise.race([Promise.allSettled([...all, this.schedule.close()]), systemClock.sleep(CLOSE_MS)]);
  }
}

/** What one cut process had been told before it died. */
interface Told {
  recordIsWritten?: true;
}

interface Case {
  /** What stands before the process does anything. */
  readonly before?: (healthy: Process) => Promise<unknown>;
  /** What the process does that is cut off. */
  readonly act: (dying: Process, told: Told) => Promise<unknown>;
  /** Whoever lives goes on; throws where something of the dead one holds it up. */
  readonly heal: (healthy: Process, told: Told) => Promise<unknown>;
}

/** Cuts it off after 0, 1, 2, … commands, until it gets through; answers how many cuts there were. */
async function cutAnywhere(name: string, what: Case): Promise<number> {
  for (let first = 0; first < CUTS_MAX; first += AT_ONCE) {
    const cuts = Array.from({ length: AT_ONCE }, (_, n) => first + n);
    const died = await Promise.all(cuts.map((cut) => cutAfter(cut, name, what)));
    if (died.includes(false)) return first + died.indexOf(false);
  }
  throw new Error(`${name}: not through after ${CUTS_MAX} commands`);
}

/** `false`: it got through. */
async function cutAfter(cut: number, name: string, { before, act, heal }: Case): Promise<boolean> {
  const world = openQueueWorld(`marks-${name}`);
  worlds.push(world);
  const healthy = new Process(world.blocking, world.prefix);
  const cutOff = await CutOff.open(inject('redisUrl'));
  const dying = new Process(await cutOff.connect(), world.prefix);
  await Promise.all([dying.queue, dying.ledger, dying.schedule].map(({ queue }) => queue.waitUntilReady()));
  await before?.(healthy);
  const told: Told = {};
  cutOff.arm(cut);
  const died = eventually('it died, or got through', async () => cutOff.isDead);
  // What a cut makes wait for ever is killed as it waits.
  await Promise.race([act(dying, told).catch(() => died), died, systemClock.sleep(STUCK_MS)]);
  const { isDead } = cutOff;
  await cutOff.close();
  await Promise.all([died, dying.close()]);
  await heal(healthy, told);
  await expectNoneForEver(world);
  await healthy.close();
  world.close();
  return isDead;
}

/** Keys of ours that stand until somebody takes them away, each on purpose, or bounded. */
const LASTING = /:(paused|installation|fair|fair:\d+|quarantine:.*|scans:.*:results)$/;

/** Every key is BullMQ's own, ends by itself, or stands on purpose. */
async function expectNoneForEver({ redis, prefix }: QueueWorld): Promise<void> {
  const keys = (await redis.keys(`${prefix}:*`)).filter((key) => !/:(compact|reap|scan):(?!s3compact)/.test(key));
  for (const key of keys) {
    if (LASTING.test(key)) continue;
    expect([key, await redis.pttl(key)]).not.toEqual([key, -1]);
  }
}

async function expectIdle({ queue }: Process): Promise<void> {
  const left = () => queue.queue.getJobCountByTypes('waiting', 'prioritized', 'active', 'delayed');
  await eventually('nothing is left', async () => (await left()) === 0);
  for (const key of KEYS) expect(await queue.jobIdOf(key)).toBeNull();
}

describe('a process that dies between any two commands', () => {
  it('of queueing inodes: each can be queued, and runs', async () => {
    const cuts = await cutAnywhere('enqueue', {
      act: async ({ queue }) => {
        await queue.enqueue(FIRST, 'command');
        await queue.enqueueBest(
          1,
          KEYS.map((key) => ({ key, score: 1 })),
        );
      },
      heal: async (healthy) => {
        for (const key of KEYS) await healthy.queue.enqueue(key, 'scan');
        const ran = healthy.compact();
        await eventually('all ran', async () => KEYS.every(({ inodeId }) => ran.includes(`${inodeId}`)));
        await expectIdle(healthy);
      },
    });
    expect(cuts).toBeGreaterThan(4);
  });

  it('of a run: another one takes the job, and the request that came meanwhile is served', async () => {
    const cuts = await cutAnywhere('run', {
      before: async ({ queue }) => queue.enqueue(FIRST, 'scan'),
      act: async (dying) => {
        await new Promise<void>((resolve) => {
          const worker = dying.work(COMPACT_QUEUE, async () => dying.queue.enqueue(FIRST, 'command'));
          worker.on('completed', () => resolve());
        });
      },
      heal: async (healthy) => {
        const asked = await healthy.queue.enqueue(FIRST, 'scan');
        const ran = healthy.compact();
        await expectIdle(healthy);
        expect(ran.length).toBeGreaterThan(0);
        expect(asked.jobId).not.toBe('');
      },
    });
    expect(cuts).toBeGreaterThan(5);
  });

  it('of parking: the job runs after the resume, or when its time comes', async () => {
    const cuts = await cutAnywhere('park', {
      before: async ({ queue, control }) => {
        await control.pauseFilesystem(1, NOTE);
        await queue.enqueue(FIRST, 'scan');
      },
      act: (dying) => new Promise<void>((resolve) => dying.compact(resolve)),
      heal: async (healthy) => {
        const [delayed] = await healthy.queue.queue.getDelayed();
        expect(delayed?.delay ?? 0).toBeLessThanOrEqual(3_600_000);
        await healthy.control.resumeFilesystem(1);
        const ran = healthy.compact();
        await expectIdle(healthy);
        expect(new Set(ran)).toEqual(new Set(['1']));
      },
    });
    expect(cuts).toBeGreaterThan(5);
  });

  it.each(['pause', 'resume'])('of a %s: whoever resumes brings everything back', async (what) => {
    const pause = async ({ control }: Process): Promise<void> => {
      await control.pauseAll({ reap: true });
      for (const fsId of [1, 2]) await control.pauseFilesystem(fsId, NOTE);
    };
    const cuts = await cutAnywhere(what, {
      before: async (healthy) => {
        for (const key of KEYS) await healthy.queue.enqueue(key, 'scan');
        if (what === 'pause') return;
        await healthy.control.pauseFilesystem(1, NOTE);
        const parking = new Process(healthy.options.connection, healthy.options.prefix);
        parking.compact();
        await eventually('all are parked', async () => (await healthy.queue.queue.getDelayedCount()) === KEYS.length);
        await parking.close();
        await pause(healthy);
      },
      act: (dying) => (what === 'pause' ? pause(dying) : dying.control.resumeAll()),
      heal: async (healthy) => {
        await healthy.control.resumeAll();
        expect(await healthy.control.paused()).toEqual({ compact: false, reap: false, filesystems: [] });
        const ran = healthy.compact();
        await expectIdle(healthy);
        expect(new Set(ran)).toEqual(new Set(['1', '2', '3']));
      },
    });
    expect(cuts).toBeGreaterThan(3);
  });

  it('of planning and scanning: a scan comes, and one more is planned', async () => {
    const cuts = await cutAnywhere('scan', {
      act: async (dying) => {
        await dying.schedule.plan(1, 3_600_000);
        await new Promise<void>((resolve) => {
          const worker = dying.work(SCAN_QUEUE, async (job) => dying.schedule.isScanned(1, job.id));
          worker.on('completed', () => resolve());
        });
      },
      heal: async (healthy) => {
        await healthy.schedule.plan(1, 3_600_000);
        healthy.work(SCAN_QUEUE, async () => 'scanned');
        const counts = () => healthy.schedule.queue.getJobCounts('wait', 'active', 'delayed', 'completed');
        await eventually('one was made and one is planned', async () => {
          await healthy.schedule.keep(1, 3_600_000);
          const { wait, active, delayed, completed = 0 } = await counts();
          return wait === 0 && active === 0 && delayed === 1 && completed > 0;
        });
        expect(await healthy.schedule.isScanned(1, undefined)).toBe(false);
      },
    });
    expect(cuts).toBeGreaterThan(5);
  });

  it('of writing a reap record and looking at it: a record that was answered for is there until it is done', async () => {
    const cuts = await cutAnywhere('reap', {
      act: async (dying, told) => {
        const record = {
          storeId: 'redis:fs',
          fsUuid: 'uuid',
          bucket: 'b',
          key: FIRST,
          chunkIndex: 3,
          attempt: 5n,
          retired: ['a'],
          merged: ['b'],
          dueMs: later(await dying.ledger.nowMs(), 3_600_000),
        };
        const id = await dying.ledger.add(record);
        told.recordIsWritten = true;
        await dying.ledger.stamp(id, { ...record, stampMs: ledgerMs(7) });
        await dying.ledger.expedite(id, record);
        await new Promise<void>((resolve) => {
          const worker = dying.work(REAP_QUEUE, async (job, token) => {
            await job.updateData({ ...job.data, doubts: 1 });
            await job.moveToDelayed(Date.now() + 3_600_000, token);
            resolve();
            throw new DelayedError();
          });
          worker.on('completed', () => resolve());
        });
      },
      heal: async (healthy, told) => {
        let records = 0;
        for await (const { retired } of healthy.ledger.pending()) records += retired.length;
        if (told.recordIsWritten) expect(records).toBeGreaterThan(0);
        for (const job of await healthy.ledger.queue.getDelayed()) await job.promote();
        const done: string[] = [];
        healthy.work(REAP_QUEUE, async (job) => done.push(job.id ?? ''));
        await eventually('all are done', async () => {
          for await (const _ of healthy.ledger.pending()) return false;
          return true;
        });
        expect(done.length).toBeGreaterThanOrEqual(records);
      },
    });
    expect(cuts).toBeGreaterThan(8);
  });

  it('of bounding the jobs of the pool: the bound goes with it, and that of the workers stands', async () => {
    for (const own of [0, 5]) {
      const boundOf = ({ options, queue }: Process) => new JobBound({ ...options, queue, lifeMs: 100 });
      const cuts = await cutAnywhere('bound', {
        act: async (dying) => {
          const bound = boundOf(dying);
          await bound.set(1);
          await bound.look(1);
          await bound.set(0);
        },
        heal: async (healthy) => {
          const bound = boundOf(healthy);
          await eventually('only what the workers keep stands', async () => {
            await bound.look(own);
            return ((await healthy.queue.queue.getGlobalConcurrency()) ?? 0) === own;
          });
        },
      });
      expect(cuts).toBeGreaterThan(4);
    }
  });

  it('of buying from the rate of the pool: those who live have all of it again, and are counted alone', async () => {
    const cuts = await cutAnywhere('rate', {
      act: async ({ options }) => {
        const budget = redisBudget({ ...options, perSecond: 2_000 });
        await budget.members();
        for (let n = 0; n < 3; n++) await budget.buy();
      },
      heal: async ({ options }) => {
        const budget = redisBudget({ ...options, perSecond: 2_000 });
        let bought = 0;
        await eventually('a whole window was bought', async () => {
          const purchase = await budget.buy();
          if (purchase.kind === 'bought') bought++;
          else expect(purchase.retryMs).toBeLessThanOrEqual(1_000);
          return bought === 20;
        });
        expect(await options.connection.pttl(`${options.prefix}:pace:members`)).not.toBe(-1);
        const members = await budget.members();
        await options.connection.zadd(`${options.prefix}:pace:members`, 1, 'gone-long-ago');
        expect(await budget.members()).toBe(members);
      },
    });
    expect(cuts).toBeGreaterThan(3);
  });

  it('of notes beside the queue: each ends by itself, and what a hold keeps is counted once', async () => {
    const cuts = await cutAnywhere('notes', {
      act: async ({ options, queue, ledger }) => {
        const quarantine = new Quarantine(options, 'redis:fs');
        await quarantine.countMissing(FIRST, ledgerMs(1));
        const book = new QueueGcBook(options, { storeId: 'redis:fs', fsUuid: 'u' });
        await book.note(new Map([['a', { sinceMs: ledgerMs(1), incarnation: 'i' }]]));
        await book.setPosition({ after: 'a', objects: 1, leaked: 0, failures: 0 });
        const queues = [queue.queue, ledger.queue].map((one) => ({
          queue: one as never,
          onGivenBack: () => undefined,
        }));
        await new HoldBook(options, 'redis:fs').count(1, 'record', HELD);
        await new WorkerReports(options).put({ worker: 'host:1', atMs: 1, notReady: [], metadata: {}, stores: [] });
        const lost = new LostJobs({ ...options, clock: systemClock, lockDurationMs: LOCK_MS, queues });
        await lost.sweep(new AbortController().signal);
      },
      // What stands is looked at after each cut.
      heal: async ({ options }) => {
        const book = new HoldBook(options, 'redis:fs');
        await book.count(1, 'record', HELD);
        expect(await book.held(1)).toEqual(HELD);
      },
    });
    expect(cuts).toBeGreaterThan(6);
  });
});
