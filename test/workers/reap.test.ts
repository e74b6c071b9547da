/** What a look at a reap record becomes in the log, where no server is needed to see it. */
import { DelayedError, type Job } from 'bullmq';
import { expect, it } from 'vitest';
import type { ReapRecord } from '../../src/ledger.ts';
import { createLogger } from '../../src/observe/log.ts';
import { printReapRecord, type ReapJobData } from '../../src/queue/reap-queue.ts';
import type { ReapVerdict } from '../../src/reap/reap-record.ts';
import { ledgerMs } from '../../src/time.ts';
import { reapProcessor } from '../../workers/reap-processor.ts';

const RECORD: ReapRecord = {
  storeId: 'redis:fs',
  fsUuid: 'u',
  bucket: 'b',
  key: { fsId: 1, inodeId: 7n },
  chunkIndex: 0,
  attempt: 9n,
  retired: ['old'],
  merged: ['new'],
  dueMs: ledgerMs(0),
};

it('a doubt is a warning once, and again when it is another one', async () => {
  const lines: { level: string; msg: string }[] = [];
  const log = createLogger({ level: 'debug', destination: { write: (line) => lines.push(JSON.parse(line)) } });
  const doubts = [
    'S3 is away',
    'S3 is away',
    undefined,
    'S3 is away',
    'the list cannot be read',
    'the list cannot be read',
  ];
  const verdicts = doubts.map((doubt): ReapVerdict => ({ kind: 'again', record: RECORD, ...(doubt && { doubt }) }));
  const look = reapProcessor(
    { graceMs: 1, nowMs: async () => ledgerMs(0), look: async () => verdicts.shift() as ReapVerdict },
    { log },
  );
  const job = {
    id: 'r1',
    data: printReapRecord(RECORD),
    progress: 0,
    moveToDelayed: async () => {},
    updateData: async () => {},
    async updateProgress(progress: object) {
      Object.assign(this, { progress });
    },
  };
  for (const _ of doubts) await expect(look(job as unknown as Job<ReapJobData>)).rejects.toThrow(DelayedError);
  expect(lines.map(({ level, msg }) => `${level}: ${msg}`)).toEqual([
    'warn: nothing is deleted for now: S3 is away',
    'debug: nothing is deleted for now: S3 is away',
    'debug: looked; due again later',
    'warn: nothing is deleted for now: S3 is away',
    'warn: nothing is deleted for now: the list cannot be read',
    'debug: nothing is deleted for now: the list cannot be read',
  ]);
});
