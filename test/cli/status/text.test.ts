/** What `s3compact status` shows, as golden files: an idle queue, and one in which everything happens. */
import { describe, expect, it, test } from 'vitest';
import { statusText } from '../../../src/cli/status-text.ts';
import { NO_BACKLOG } from '../../../src/scan-port.ts';
import { healthOf } from '../../../src/view/health.ts';
import { problemsOf } from '../../../src/view/problems.ts';
import type { StatusReport } from '../../../src/view/status-report.ts';
import { duration } from '../../../src/view/words.ts';
import { type Look, looksOf, styleOf, tooWide } from '../../kit/support/looks.ts';

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;

type Told = Omit<StatusReport, 'problems'>;

const NO_JOBS = { total: 0, jobs: [] };
const IDLE: Told = {
  nowMs: NOW,
  fsId: null,
  health: healthOf([], { answeredAgoMs: 0 }, NOW),
  queues: ['compact', 'reap'].map((name) => ({
    name,
    waiting: 0,
    active: 0,
    delayed: 0,
    failed: 0,
    paused: false,
    jobsMax: null,
    oldestWaitingMs: 0,
  })),
  workers: 0,
  paused: { compact: false, reap: false, filesystems: [] },
  inFlight: [],
  recent: { windowMs: MINUTE, runs: 0, bytesMoved: 0, getsSaved: 0 },
  scans: [],
  failed: NO_JOBS,
  delayed: NO_JOBS,
  reap: { pending: 0, due: 0, overdue: 0, oldestDueMs: 0, overdueRecords: [], recordsInDoubt: [] },
  holds: { total: 0, objects: 0, bytes: 0, holds: [] },
  quarantined: 0,
  quarantine: [],
};

const at = { chunksDone: 1, chunksTotal: 10, blocksDone: 12, blocksTotal: 160, bytesMoved: 50 * 2 ** 20 };
const REFUSED = 'Writing 1_7_1_0_0 to bucket photos-data failed: the store answered 403 QuotaExceeded; make room';
const BUSY: Told = {
  ...IDLE,
  health: healthOf(
    [
      {
        worker: 'pod-1:1',
        atMs: NOW - 1_000,
        notReady: [{ code: 'refused', what: `S3 refuses: ${REFUSED}` }],
        metadata: { answeredAgoMs: 400, failedAgoMs: 90_000, error: 'the metadata Redis did not answer' },
        stores: [
          { bucket: 'photos-data', answeredAgoMs: 70_000, failedAgoMs: 500, failingForMs: 64_000, error: REFUSED },
        ],
      },
      {
        worker: 'pod-2:1',
        atMs: NOW - 2_000,
        notReady: [],
        metadata: { answeredAgoMs: 0 },
        stores: [
          { bucket: 'photos-data', answeredAgoMs: 100 },
          { bucket: 'archive', answeredAgoMs: 100 },
        ],
      },
    ],
    { answeredAgoMs: 0 },
    NOW,
  ),
  queues: [
    {
      name: 'compact',
      waiting: 9_951,
      active: 3,
      delayed: 12,
      failed: 1,
      paused: true,
      jobsMax: 3,
      oldestWaitingMs: 185 * MINUTE,
    },
    {
      name: 'reap',
      waiting: 2,
      active: 1,
      delayed: 40_312,
      failed: 0,
      paused: false,
      jobsMax: null,
      oldestWaitingMs: 4_000,
    },
  ],
  workers: 4,
  paused: { compact: true, reap: false, filesystems: [{ fsId: 3, sinceMs: NOW - 26 * 60 * MINUTE, by: 'ops-1:77' }] },
  inFlight: [
    {
      jobId: 'a',
      fsId: 1,
      inodeId: '9007199254740993',
      origin: 'scan',
      ageMs: 95_000,
      progress: { kind: 'running', progress: at },
      waits: { for: 'limit', what: 'the rate S3COMPACT_BYTES_PER_SECOND (1MiB a second)', forMs: 2_500 },
    },
    { jobId: 'b', fsId: 2, inodeId: '7', origin: 'command', ageMs: 900, progress: 0, waits: null },
    { jobId: 'c', fsId: 2, inodeId: '8', origin: 'continuation', ageMs: 10, progress: 0, waits: null },
  ],
  recent: { windowMs: MINUTE, runs: 212, bytesMoved: 3.4 * 2 ** 30, getsSaved: 51_002 },
  scans: [
    {
      fsId: 1,
      startedMs: 0,
      endedMs: NOW - 50 * MINUTE,
      by: 'pod-5:1',
      backlog: {
        ...NO_BACKLOG,
        inodes: 1_000_000,
        inodesWorthIt: 34_120,
        chunksWorthIt: 51_331,
        getsSaved: 2_220_112,
        bytesReclaimed: 5.5 * 2 ** 40,
        bytesToMove: 9 * 2 ** 40,
        unreadable: 2,
      },
    },
  ],
  failed: {
    total: 3,
    jobs: [
      {
        jobId: 'f',
        fsId: 1,
        inodeId: '77',
        origin: 'scan',
        tries: 5,
        endedMs: NOW - 3 * MINUTE,
        code: 'access-denied',
        reason: 'Reading 1_77_3_0_0 failed: the store answered 403 AccessDenied; allow it',
      },
    ],
  },
  delayed: {
    total: 2,
    jobs: [
      { jobId: 'd', fsId: 3, inodeId: '12', origin: 'scan', tries: 0, nextMs: NOW + 55 * MINUTE },
      {
        jobId: 'e',
        fsId: 1,
        inodeId: '78',
        origin: 'scan',
        tries: 2,
        nextMs: NOW + 20_000,
        code: 'object-missing',
        reason: 'inode 1/78: object 1_78_5_1_0 is not in the store; it may not be uploaded yet',
      },
    ],
  },
  reap: {
    pending: 40_315,
    due: 17,
    overdue: 5,
    oldestDueMs: 12 * MINUTE,
    overdueRecords: [{ jobId: 'r', fsId: 1, inodeId: '79', chunkIndex: 2, dueMs: NOW - 12 * MINUTE, doubts: 0 }],
    recordsInDoubt: [
      {
        jobId: 's',
        fsId: 1,
        inodeId: '80',
        chunkIndex: 0,
        dueMs: NOW + 9 * MINUTE,
        doubts: 4,
        doubt: 'inode 1/80: what its list references is not whole in the store, so what it replaced is kept',
      },
    ],
  },
  quarantined: 2,
  quarantine: [
    {
      fsId: 1,
      inodeId: '9007199254740993',
      code: 'list-invalid',
      sinceMs: NOW - 400 * MINUTE,
      reason: 'chunk 0: version 3 reaches beyond the end of the chunk',
    },
    {
      fsId: 1,
      inodeId: '77',
      code: 'object-missing',
      sinceMs: NOW - 90 * MINUTE,
      lookAtMs: NOW + 25 * MINUTE,
      reason: 'inode 1/77: object 1_77_5_0_0 is missing',
    },
  ],
};

function pageOf(told: Told, look: Look): string {
  return statusText({ ...told, problems: problemsOf(told) }, { ...styleOf(look), rowsMax: 2 });
}

describe.each([
  ['idle', IDLE],
  ['busy', BUSY],
  ['one-filesystem', { ...BUSY, fsId: 1, inFlight: BUSY.inFlight.slice(0, 1) }],
])('%s', (name, told) => {
  it('looks like this', async () => {
    await expect(await looksOf((look) => pageOf(told, look))).toMatchFileSnapshot(`../golden/status-${name}.txt`);
  });

  it.each([80, 120])('fits %d columns, no word broken', (width) => {
    expect(tooWide(pageOf(told, { width, color: false }), { width })).toEqual([]);
  });
});

it('what a person must do is said first', () => {
  expect(problemsOf(IDLE)).toEqual([]);
  const needs = problemsOf(BUSY).map(({ need, what }) => `${need} ${what}`);
  expect(needs.map((text) => text.split(' ')[0])).toEqual(['act', 'act', 'act', 'wait', 'wait', 'wait', 'wait']);
  expect(needs[0]).toMatch(/^act 1 worker: S3 refuses: /);
  const idle = IDLE.queues.map((queue) => ({ ...queue, waiting: 2 }));
  expect(problemsOf({ ...IDLE, queues: idle })).toMatchObject([
    { need: 'act', what: '4 jobs waiting and no worker is connected' },
  ]);
});

it('limits that somebody set are said while they hold work up, and only then', () => {
  const rate = BUSY.inFlight.slice(0, 1);
  const place = {
    ...BUSY.inFlight[1],
    waits: { for: 'limit', what: 'one of 32 places for requests to b (at most 32)' },
  };
  const told = { ...IDLE, workers: 1, inFlight: [...rate, ...rate, place] as StatusReport['inFlight'] };
  expect(problemsOf(told)).toMatchObject([
    { need: 'wait', what: '2 runs slowed down by the rate S3COMPACT_BYTES_PER_SECOND (1MiB a second)' },
  ]);
  const bound = (waiting: number, active: number) =>
    problemsOf({ ...IDLE, workers: 1, queues: IDLE.queues.map((one) => ({ ...one, jobsMax: 2, waiting, active })) });
  expect(bound(5, 2)[0]?.what).toBe('5 jobs waiting: all workers together run 2 at a time (S3COMPACT_TOTAL_JOBS)');
  expect([...bound(5, 1), ...bound(0, 2)]).toEqual([]);
});

test.each([
  [0, '0s'],
  [59_499, '59s'],
  [60_000, '1m'],
  [725_000, '12m 5s'],
  [3_600_000, '1h'],
  [3_605_000, '1h'],
  [12_000_000, '3h 20m'],
  [180_000_000, '2d 2h'],
  [-5, '0s'],
])('%d ms are %s', (ms, text) => expect(duration(ms)).toBe(text));
