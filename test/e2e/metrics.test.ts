/** `/metrics` of a worker process on the run's servers: there from the start, true at each scrape, gone with the process. */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadCase } from '../kit/cases/load.ts';
import { freePort } from '../kit/servers/free-port.ts';
import { eventually } from '../queue/world.ts';
import { E2eWorld } from './world.ts';

let world: E2eWorld;
let port: number;

beforeAll(async () => {
  world = await E2eWorld.open('metrics');
  port = await freePort();
});
afterAll(() => world.close());

async function scrape(path = '/metrics'): Promise<{ status: number; text: string } | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
    return { status: response.status, text: await response.text() };
  } catch {
    return undefined;
  }
}

it('tells the inodes in quarantine, and ends with the worker', async () => {
  const worker = world.startWorker({ S3COMPACT_METRICS_PORT: `${port}` });
  // Until its servers are there it has no figures of its own.
  const first = await eventually('the worker works', async () => {
    const answer = await scrape();
    return answer?.text.includes('process_resident_memory_bytes') === true && answer;
  });
  expect(first.status).toBe(200);
  expect(first.text).toMatch(/^s3compact_quarantined_inodes 0$/m);
  expect(first.text).toMatch(/^s3compact_build_info\{version="\d+\.\d+\.\d+",node="v\d+\..*"\} 1$/m);
  expect(first.text).toMatch(/^process_resident_memory_bytes \d+$/m);

  const entry = { code: 'list-invalid', reason: 'planted', sinceMs: 1 };
  for (const inodeId of [5n, 6n]) await world.clients.quarantine.put({ fsId: 1, inodeId }, entry);
  expect((await scrape())?.text).toMatch(/^s3compact_quarantined_inodes 2$/m);
  await world.command(['quarantine', 'release', '1', '5']);
  expect((await scrape())?.text).toMatch(/^s3compact_quarantined_inodes 1$/m);
  // An inode is never a label.
  expect((await scrape())?.text).not.toContain('inode="');

  expect(await scrape('/healthz')).toMatchObject({ status: 200 });
  expect(await scrape('/other')).toMatchObject({ status: 404 });
  worker.kill('SIGTERM');
  await once(worker, 'exit');
  expect(await scrape()).toBeUndefined();
});

it('a port that is taken is a clear error', async () => {
  const worker = world.startWorker({ S3COMPACT_METRICS_PORT: `${port}` });
  await eventually('the worker answers', () => scrape());
  const { exitCode, stderr } = await world.command(['worker', '--metrics-port', `${port}`]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`port ${port} cannot be listened on`);
  worker.kill('SIGKILL');
});

it('one line tells everything about an attempt', async () => {
  const inodeId = 700n;
  await world.writer.createInode(inodeId);
  await world.writer.append(inodeId, loadCase('tar-append.mid'));
  const worker = world.startWorker({ S3COMPACT_LOG_LEVEL: 'info', S3COMPACT_FRAGMENT_THRESHOLD: '3' });
  let text = '';
  worker.stderr?.setEncoding('utf8').on('data', (part: string) => (text += part));
  const { jobId } = await world.clients.queue.enqueue({ fsId: 1, inodeId }, 'scan');
  const line = await eventually('the attempt has ended', async () => {
    const lines = text.split('\n').filter((one) => one.includes('"event":"job.done"') && one.endsWith('}'));
    return lines.length > 0 && (JSON.parse(lines[0] ?? '') as Record<string, unknown>);
  });
  expect(line).toMatchObject({ fsId: 1, inodeId: '700', jobId, origin: 'scan', try: 1, level: 'info' });
  expect(line).toMatchObject({ ending: 'done', outcome: 'compacted', continued: false, warnings: [], budgetSpent: [] });
  expect(line['attempt']).toMatch(/^\d{10,}$/);
  const { cost, s3, phasesMs, chunks, ...rest } = line as {
    cost: Record<string, number>;
    s3: { requests: Record<string, number>; bytesRead: number; bytesWritten: number };
    phasesMs: Record<string, number>;
    chunks: Record<string, number>;
  } & Record<string, number | readonly string[]>;
  // The first run of all writes whose the bucket is, and reads it back.
  const { readRequests = 0, writeRequests = 0, readBytes = 0, writeBytes = 0 } = cost;
  expect(s3).toMatchObject({ requests: { get: readRequests + 1, put: writeRequests + 1 }, retries: 0 });
  const owner = s3.bytesWritten - writeBytes;
  expect(owner).toBeGreaterThan(100);
  expect(s3.bytesRead - readBytes).toBe(owner);
  expect(chunks).toEqual({ committed: rest['chunksCompacted'] });
  expect(rest['reapRecordCount']).toBe(rest['chunksCompacted']);
  expect(rest['reapRecords']).toHaveLength(Number(rest['chunksCompacted']));
  expect(Object.keys(phasesMs)).toEqual(['plan', 'record', 'merge', 'commit', 'end']);
  const inPhases = Object.values(phasesMs).reduce((sum, ms) => sum + ms, 0);
  expect(inPhases).toBeGreaterThan(Number(rest['durationMs']) * 0.9);
  expect(Number(rest['queuedMs'])).toBeGreaterThanOrEqual(0);
});
