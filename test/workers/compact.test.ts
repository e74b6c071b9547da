/**
 * What a run's ending becomes for the queue, where no server is needed to tell: a file that never rests, and a
 * fault. The other endings are tested with real queues beside this.
 */
import { DelayedError, type Job } from 'bullmq';
import { describe, expect, it, vi } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import { createLogger } from '../../src/observe/log.ts';
import type { CompactJobData } from '../../src/queue/compact-queue.ts';
import type { Observer } from '../../src/wiring/observer.ts';
import type { CompactJobDeps, RunReport } from '../../src/wiring/run-inode.ts';
import { compactProcessor } from '../../workers/compact-processor.ts';

const JOB_TRIES = 3;
const BUSY: RunReport = {
  ending: 'later',
  fsId: 1,
  inodeId: '7',
  code: 'inode-busy',
  message: 'the file is in use',
  chunksCompacted: 0,
  chunksLeft: 1,
  continued: false,
  warnings: [],
};

function processor(report: RunReport) {
  const deps = { control: { isFilesystemPaused: async () => false } } as unknown as CompactJobDeps;
  const observer = { watchRun: async () => ({ report, fields: {} }) } as unknown as Observer;
  return compactProcessor(deps, createLogger({ level: 'silent' }), observer);
}

function job(attemptsMade: number): Job<CompactJobData> {
  const data = { fsId: 1, inodeId: '7', origin: 'scan' };
  const told = {
    data,
    attemptsMade,
    opts: { attempts: JOB_TRIES },
    timestamp: 0,
    delay: 0,
    updateProgress: async () => {},
  };
  return told as unknown as Job<CompactJobData>;
}

it('a file in use is tried again, and left to the next scan by the last try: its job does not fail', async () => {
  for (let made = 0; made < JOB_TRIES - 1; made++) {
    await expect(processor(BUSY)(job(made))).rejects.toThrow('in use');
  }
  expect(await processor(BUSY)(job(JOB_TRIES - 1))).toEqual(BUSY);
});

it('another failure is one, also at the last try', async () => {
  await expect(processor({ ...BUSY, code: 'object-missing' })(job(JOB_TRIES - 1))).rejects.toThrow('in use');
});

describe('a job that comes to no report', () => {
  const outage = new CompactError('the queue is away', { kind: 'retry', code: 'queue-unavailable' });
  const fault = new TypeError('a fault of ours');
  const aborted = AbortSignal.abort('shutdown');

  /** What is logged of a job: of file system 1, where nothing is paused, or 2, which is paused. */
  async function logged(options: {
    readonly fsId?: unknown;
    readonly park?: Error;
    readonly run?: Error;
    readonly signal?: AbortSignal;
    readonly moveToDelayed?: () => Promise<unknown>;
  }): Promise<Record<string, unknown>[]> {
    const lines: Record<string, unknown>[] = [];
    const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
    const reject = async (error: Error | undefined) => {
      if (error !== undefined) throw error;
    };
    const control = { isFilesystemPaused: async (fsId: number) => fsId === 2, park: () => reject(options.park) };
    const process = compactProcessor(
      { control } as unknown as CompactJobDeps,
      createLogger({ level: 'info', destination }),
      { watchRun: () => reject(options.run) } as unknown as Observer,
    );
    const data = { fsId: options.fsId ?? 1, inodeId: '7', origin: 'scan' };
    const taken = Object.assign(job(1), { id: 'j', data, moveToDelayed: options.moveToDelayed });
    const isDelayed = options.moveToDelayed !== undefined;
    await expect(process(taken, 'token', options.signal)).rejects.toThrow(isDelayed ? DelayedError : Error);
    return lines;
  }

  it('a fault in a run is an error, with its stack', async () => {
    const [line, ...rest] = await logged({ run: fault });
    expect(rest).toEqual([]);
    expect(line).toMatchObject({ event: 'job.failed', level: 'error', fsId: 1, inodeId: '7', jobId: 'j', try: 2 });
    expect(line?.['err']).toMatchObject({
      message: 'a fault of ours',
      stack: expect.stringContaining('compact.test.ts'),
    });
  });

  it('so is a job that names no inode', async () => {
    const [line] = await logged({ fsId: 'x' });
    expect(line).toMatchObject({ event: 'job.failed', level: 'error', jobId: 'j', err: { code: 'queue-unfit' } });
  });

  it('a job that cannot be put aside while the queue is away goes back for later, and is no failed try', async () => {
    const moveToDelayed = vi.fn(async () => undefined);
    expect(await logged({ fsId: 2, park: outage, moveToDelayed })).toEqual([]);
    expect(moveToDelayed).toHaveBeenCalledExactlyOnceWith(expect.any(Number), 'token');
  });

  it('one that was put aside, or was told to stop, is neither', async () => {
    expect(await logged({ fsId: 2 })).toEqual([]);
    expect(await logged({ run: new DelayedError() })).toEqual([]);
    expect(await logged({ run: fault, signal: aborted })).toEqual([]);
  });
});
