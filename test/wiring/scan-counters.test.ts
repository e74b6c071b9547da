/** What a scan adds to the counters as it goes: also one that goes on where another stopped, and one that only looks. */
import { beforeEach, expect, it } from 'vitest';
import { Metrics } from '../../src/observe/metrics.ts';
import { NO_BACKLOG } from '../../src/scan-port.ts';
import { ScanTally } from '../../src/wiring/scan-counters.ts';

let metrics: Metrics;

beforeEach(() => {
  metrics = new Metrics({ defaults: false });
});

function progress(
  inodes: number,
  inodesWorthIt: number,
  more: { unreadable?: number; queued?: number; held?: number },
) {
  const { unreadable = 0, queued = 0, held = 0 } = more;
  return { backlog: { ...NO_BACKLOG, inodes, inodesWorthIt, unreadable }, queued, held, walking: true };
}

async function counts(): Promise<Record<string, number>> {
  const text = await metrics.text();
  const found = text.matchAll(/^s3compact_scan(?:_inodes|_enqueued|s)_total\{result="([\w-]+)"\} (\d+)$/gm);
  return Object.fromEntries(
    [...found].filter((match) => match[2] !== '0').map((match) => [match[1], Number(match[2])]),
  );
}

it('counts what it looked at and queued, as it goes', async () => {
  const tally = new ScanTally(metrics, { dryRun: false });
  tally.progress(progress(0, 0, {}));
  tally.progress(progress(10, 4, { unreadable: 1, queued: 2, held: 1 }));
  expect(await counts()).toEqual({ worthwhile: 4, nothing: 5, failed: 1, queued: 2, 'in-flight': 1 });
  tally.progress(progress(20, 6, { unreadable: 1, queued: 5 }));
  tally.ended('done');
  expect(await counts()).toEqual({
    worthwhile: 6,
    nothing: 13,
    failed: 1,
    queued: 5,
    'in-flight': 1,
    complete: 1,
  });
});

it('leaves out what an earlier scan had counted', async () => {
  const tally = new ScanTally(metrics, { dryRun: false });
  tally.progress(progress(1_000, 100, { unreadable: 7 }));
  tally.progress(progress(1_010, 103, { unreadable: 7, queued: 3 }));
  tally.ended('paused');
  expect(await counts()).toEqual({ worthwhile: 3, nothing: 7, queued: 3, stopped: 1 });
});

it('one that only looks queues nothing; one that fails is told', async () => {
  const tally = new ScanTally(metrics, { dryRun: true });
  tally.progress(progress(0, 0, {}));
  tally.progress(progress(5, 5, { held: 5 }));
  tally.progress(progress(5, 5, {}));
  tally.ended('failed');
  expect(await counts()).toEqual({ worthwhile: 5, failed: 1 });
});
