/** What `s3compact status` shows, as golden files: an idle queue, and one in which everything happens. */
import { expect, test } from 'vitest';
import { duration, type StatusReport, statusText } from '../../src/cli/status-text.ts';
import { NO_BACKLOG } from '../../src/scan-port.ts';

const STYLE = { dim: (text: string) => text, bold: (text: string) => text, rowsMax: 2 };
const NOW = 1_800_000_000_000;
const MINUTE = 60_000;

const IDLE: StatusReport = {
  nowMs: NOW,
  queues: ['compact', 'reap'].map((name) => ({
    ...{ name, waiting: 0, active: 0, delayed: 0, failed: 0, paused: false, oldestWaitingMs: 0 },
  })),
  workers: 0,
  paused: { compact: false, reap: false, filesystems: [] },
  inFlight: [],
  recent: { windowMs: MINUTE, runs: 0, bytesMoved: 0, getsSaved: 0 },
  scans: [],
  reap: { pending: 0, due: 0, overdue: 0, oldestDueMs: 0 },
  quarantined: 0,
};

const at = { chunksDone: 1, chunksTotal: 10, blocksDone: 12, blocksTotal: 160, bytesMoved: 50 * 2 ** 20 };
const BUSY: StatusReport = {
  ...IDLE,
  queues: [
    { name: 'compact', waiting: 9_951, active: 3, delayed: 12, failed: 1, paused: true, oldestWaitingMs: 185 * MINUTE },
    { name: 'reap', waiting: 2, active: 1, delayed: 40_312, failed: 0, paused: false, oldestWaitingMs: 4_000 },
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
    },
    { jobId: 'b', fsId: 2, inodeId: '7', origin: 'command', ageMs: 900, progress: 0 },
    { jobId: 'c', fsId: 2, inodeId: '8', origin: 'continuation', ageMs: 10, progress: 0 },
  ],
  recent: { windowMs: MINUTE, runs: 212, bytesMoved: 3.4 * 2 ** 30, getsSaved: 51_002 },
  scans: [
    {
      ...{ fsId: 1, startedMs: 0, endedMs: NOW - 50 * MINUTE, by: 'pod-5:1' },
      backlog: {
        ...{ ...NO_BACKLOG, inodes: 1_000_000, inodesWorthIt: 34_120, chunksWorthIt: 51_331, getsSaved: 2_220_112 },
        ...{ bytesReclaimed: 5.5 * 2 ** 40, bytesToMove: 9 * 2 ** 40, unreadable: 2 },
      },
    },
  ],
  reap: { pending: 40_315, due: 17, overdue: 5, oldestDueMs: 12 * MINUTE },
  quarantined: 2,
};

test('an idle queue', async () => {
  await expect(`${statusText(IDLE, STYLE)}\n`).toMatchFileSnapshot('./golden/status-idle.txt');
});

test('a busy one, with everything that can be said', async () => {
  await expect(`${statusText(BUSY, STYLE)}\n`).toMatchFileSnapshot('./golden/status-busy.txt');
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
