/** Messages that must not contradict the facts: each of these said something else once. */
import { expect, it } from 'vitest';
import type { CliContext } from '../../src/cli/context.ts';
import { run } from '../../src/cli/main.ts';
import { summaryText } from '../../src/cli/reap.ts';
import { scanText } from '../../src/cli/scan.ts';
import { requireFilesystem } from '../../src/metadata/lookup.ts';
import { redactText } from '../../src/redact.ts';
import type { ScanReport } from '../../src/scan/types.ts';
import { NO_BACKLOG } from '../../src/scan-port.ts';
import { waitText } from '../../src/view/job-text.ts';

const PLAIN = { colors: { bold: (text: string) => text } } as CliContext;

function scanOf(inodesWorthIt: number, queued: number): string {
  const report: ScanReport = {
    ending: 'done',
    fsId: 1,
    queued,
    resumedInodes: 0,
    restarts: 0,
    top: [],
    durationMs: 1_000,
    backlog: { ...NO_BACKLOG, inodes: 20, inodesWorthIt },
  };
  return scanText(report, PLAIN, false);
}

it('a scan speaks of others only where there are others', () => {
  expect(scanOf(16, 16)).toContain(' 16 queued; ');
  expect(scanOf(16, 12)).toContain(' 12 queued, 4 were queued or in flight before; ');
});

const SUMMARY = {
  records: 0,
  deleted: 0,
  stillReferenced: 0,
  again: 1,
  doubts: [],
  pending: 1,
  held: 0,
  onHold: 0,
  paused: false,
};

it('reap says why a record is not finished, and when it is looked at again', () => {
  const text = summaryText({ ...SUMMARY, nextLookMs: 600_000 }, 0);
  expect(text).toContain('what became unreferenced stays for one grace period; the next look is in 10m');
  const doubt = summaryText({ ...SUMMARY, doubts: ['no answer'], nextLookMs: 30_000 }, 0);
  expect(doubt).toContain('in doubt; the next look is in 30s: no answer');
  expect(doubt).not.toContain('grace period');
});

it('the mask of passwords leaves a hint as it is, and nothing that may be a password', () => {
  const hint = 'give its own at the end of the URL, as ?sentinelPassword=… or ?sentinelUsername=…&sentinelPassword=…';
  expect(redactText(hint)).toBe(hint);
  expect(redactText('host/master[?sentinelPassword=…]; encode')).toBe('host/master[?sentinelPassword=…]; encode');
  expect(redactText('?sentinelPassword=…x&a=1')).toBe('?sentinelPassword=***&a=1');
});

it('only Redis is said to have a prefix', async () => {
  const none = (storeId: string) => ({ storeId, getFilesystem: async () => null });
  await expect(requireFilesystem(none('redis:fs'), 4)).rejects.toThrow(/METADATA_URL and METADATA_PREFIX$/);
  await expect(requireFilesystem(none('curvefs'), 4)).rejects.toThrow(/check the number and METADATA_URL$/);
});

it('what a job waits for is a sentence with one end', () => {
  const what = 'Reading object "x" failed: no answer (ECONNREFUSED). The call can be repeated.';
  expect(waitText({ for: 's3', what })).toMatch(/^waits for S3: Reading .* can be repeated$/);
});

it('a variable that is no setting is named, and what Kubernetes says of Services is not', async () => {
  let stderr = '';
  const streams = { stdout: { write: () => true }, stderr: { write: (text: string) => (stderr += text) } };
  const env = {
    REDIS_URL: 'redis://127.0.0.1:1',
    S3COMPACT_GRCE: 'hunter2',
    S3COMPACT_CONSOLE_TOKEN: 'ours',
    S3COMPACT_GRACE: '20m',
    S3COMPACT_CONSOLE_SERVICE_HOST: '10.0.0.1',
    S3COMPACT_CONSOLE_SERVICE_PORT_HTTP: '9401',
    S3COMPACT_CONSOLE_PORT: 'tcp://10.0.0.1:9401',
    S3COMPACT_DNS_PORT: 'udp://10.0.0.1:53',
    S3COMPACT_OLD: '',
    S3COMPACT_CONSOLE_PORT_9401_TCP_ADDR: '10.0.0.1',
  };
  expect(await run(['status'], env, streams)).toBe(3);
  expect(stderr.match(/"event":"setting.unknown","name":"\w+"/g)).toEqual([
    '"event":"setting.unknown","name":"S3COMPACT_GRCE"',
  ]);
  expect(stderr).not.toContain('hunter2');
  stderr = '';
  expect(await run(['status'], { ...env, S3COMPACT_GRACE: 'long' }, streams)).toBe(2);
  expect(stderr).toContain('1 setting is wrong');
  expect(stderr).toContain('  - S3COMPACT_GRCE is no setting');
});
