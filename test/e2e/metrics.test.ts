/** `/metrics` of a worker process on the run's servers: there from the start, true at each scrape, gone with the process. */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../services/free-port.ts';
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
  const first = await eventually('the worker answers', () => scrape());
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
