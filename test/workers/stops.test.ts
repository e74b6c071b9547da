/** A worker that is asked to stop at one exact moment: nothing that it has taken stays with it. */
import { type Job, Worker } from 'bullmq';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../../src/observe/log.ts';
import type { Clients } from '../../src/wiring/clients.ts';
import { RunningJobs } from '../../workers/running.ts';
import { startWorker } from '../../workers/worker.ts';
import { clientsOf, E2eWorld } from '../e2e/world.ts';

const KEY = { fsId: 1, inodeId: 7n };
let world: E2eWorld;
let clients: Clients;
/** Lines of the log about jobs that stayed. */
const left: Record<string, unknown>[] = [];
const destination = {
  write: (text: string) => {
    const line = JSON.parse(text) as Record<string, unknown>;
    if (line['event'] === 'job.left') left.push(line);
  },
};
const log = createLogger({ level: 'warn', destination });

beforeEach(async () => {
  left.length = 0;
  world = await E2eWorld.open('stops-at');
  clients = await clientsOf({ ...world.env, S3COMPACT_SHUTDOWN_GRACE: '0ms' });
  await clients.queue.enqueue(KEY, 'scan');
});
afterEach(async () => {
  vi.restoreAllMocks();
  await clients.close();
  await world.close();
});

/** What is active, and what waits for somebody else. */
function state(): Promise<readonly [number, number]> {
  const { queue } = clients.queue;
  return Promise.all([queue.getActiveCount(), queue.getJobCountByTypes('waiting', 'prioritized', 'delayed')]);
}

/** BullMQ's own step, protected there: the queue has given the job away, and no run has begun. */
interface Taking {
  moveToActive(...args: unknown[]): Promise<Job | undefined>;
}

it('a job that is just being taken goes back at once, whatever the grace', async () => {
  await clients.close();
  clients = await clientsOf({ ...world.env, S3COMPACT_SHUTDOWN_GRACE: '10m' });
  const taking = Worker.prototype as unknown as Taking;
  const real = taking.moveToActive;
  const stopped = Promise.withResolvers<void>();
  vi.spyOn(taking, 'moveToActive').mockImplementation(async function (this: Taking, ...args) {
    const job = await real.apply(this, args);
    if (job !== undefined) worker.stop().then(stopped.resolve, stopped.reject);
    return job;
  });
  const worker = startWorker(clients, log);
  await stopped.promise;
  expect(await state()).toEqual([0, 1]);
  expect(left).toEqual([]);
});

describe('a run that does not let go', () => {
  const forever = new Promise<false>(() => undefined);

  it('has its job handed back, or the log names it', async () => {
    const job = await stopped();
    const [active, waiting] = await state();
    expect(active + waiting).toBe(1);
    expect(left).toEqual(active === 0 ? [] : [expect.objectContaining({ level: 'warn', jobId: job.id })]);
  });

  it('leaves a job that is held by another to that one, and the log names it', async () => {
    const { queue } = clients.queue;
    const job = await stopped((id) =>
      clients.status.connection.set(`${queue.toKey(id)}:lock`, 'another', 'PX', 600_000),
    );
    expect(await state()).toEqual([1, 0]);
    expect(left).toEqual([expect.objectContaining({ level: 'warn', jobId: job.id })]);
  });

  /** The job of a worker that was stopped in the middle of it. */
  async function stopped(before: (id: string) => Promise<unknown> = async () => undefined): Promise<Job> {
    const began = Promise.withResolvers<void>();
    vi.spyOn(clients.run.control, 'isFilesystemPaused').mockImplementation(() => {
      began.resolve();
      return forever;
    });
    const worker = startWorker(clients, log);
    await began.promise;
    const [job] = await clients.queue.queue.getActive();
    if (job?.id === undefined) throw new Error('no job is active');
    await before(job.id);
    await worker.stop();
    return job;
  }

  it('leaves the book once its job was handed back, and only then', async () => {
    const jobs = new RunningJobs();
    const process = jobs.tracked(() => forever);
    const moveToDelayed = vi.fn().mockRejectedValueOnce(new Error('Redis is away')).mockResolvedValue(undefined);
    void process({ queueName: 'q', id: '1', moveToDelayed } as unknown as Job, 'token');
    await jobs.giveBack();
    expect(jobs.all()).toMatchObject([{ queue: 'q', jobId: '1' }]);
    await jobs.giveBack();
    expect(jobs.all()).toEqual([]);
    expect(moveToDelayed).toHaveBeenLastCalledWith(expect.any(Number), 'token');
  });
});
