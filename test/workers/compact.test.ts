/**
 * What a run's ending becomes for the queue, where no server is needed to tell: a file that never rests. The other
 * endings are tested with real queues beside this.
 */
import type { Job } from 'bullmq';
import { expect, it } from 'vitest';
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
