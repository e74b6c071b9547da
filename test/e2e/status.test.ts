/**
 * What an operator reads at night: a worker process in trouble (S3 away, refusing, throttled by a limit, damage in a
 * file), and the reason in `s3compact status --json`, which runs in another process and asks only Redis.
 */
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import type { StatusReport } from '../../src/view/status-report.ts';
import { loadCase } from '../kit/cases/load.ts';
import { eventually } from '../queue/world.ts';
import { S3Proxy } from '../workers/s3-proxy.ts';
import { E2eWorld } from './world.ts';

const INODE = 1n;
const WITHIN_MS = 120_000;
const QUICK = {
  S3COMPACT_S3_TIMEOUT: '10s',
  S3COMPACT_S3_PATIENCE: '1s',
  S3COMPACT_FRAGMENT_THRESHOLD: '3',
  S3COMPACT_RETRY_DELAY: '100ms',
};
let world: E2eWorld;
let proxy: S3Proxy;

beforeEach(async () => {
  proxy = await S3Proxy.start(inject('s3').endpoint);
  world = await E2eWorld.open('status', { env: { ...QUICK, AWS_ENDPOINT_URL_S3: proxy.url } });
  await world.writer.createInode(INODE);
  await world.writer.append(INODE, loadCase('tar-append.mid'));
});
afterEach(async () => {
  await world.close();
  await proxy.away();
});

async function status(): Promise<StatusReport> {
  const { stdout, stderr } = await world.command(['status', '1', '--json']);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as StatusReport;
}

/** The page that says it, and what of it. */
async function until<T>(what: string, look: (page: StatusReport) => T | undefined): Promise<T> {
  return eventually(what, async () => look(await status()), WITHIN_MS);
}

function bucketOf({ health }: StatusReport): StatusReport['health']['servers'][number] | undefined {
  return health.servers.find(({ name }) => name === `bucket ${world.writer.options.bucket}`);
}

async function queued(): Promise<void> {
  await world.clients.queue.enqueue({ fsId: 1, inodeId: INODE }, 'scan');
}

it('S3 away: which bucket fails, since when, and that the job waits for it; then that it is well again', async () => {
  await proxy.away();
  world.startWorker();
  await queued();
  const bucket = await until('the bucket fails', (page) => {
    const found = bucketOf(page);
    return found?.state === 'failing' ? found : undefined;
  });
  expect(bucket.error).toMatch(/s3compact-owner-1.* failed: /);
  expect(bucket.failingForMs).toBeGreaterThan(0);
  const waits = await until('the job waits for S3', ({ inFlight }) => inFlight[0]?.waits ?? undefined);
  expect(['s3', 'server']).toContain(waits.for);
  const problem = await until('it is a problem', ({ problems }) => problems.find(({ what }) => what.includes('S3')));
  expect(problem).toMatchObject({ need: 'wait', what: '1 worker: S3 does not answer' });
  await proxy.back();
  const well = await until('the bucket is well', (page) => {
    const found = bucketOf(page);
    return found?.state === 'ok' ? found : undefined;
  });
  expect(well.failedAgoMs).toBeGreaterThan(0);
  expect(well.error).toMatch(/ failed: /);
});

it('S3 refuses every write: a person must act, and reads why', async () => {
  proxy.answer = ({ method }) => (method === 'PUT' ? { status: 403, code: 'QuotaExceeded' } : undefined);
  world.startWorker();
  await queued();
  for (const inodeId of [2n, 3n]) {
    await world.writer.createInode(inodeId);
    await world.writer.append(inodeId, loadCase('tar-append.mid'));
    await world.clients.queue.enqueue({ fsId: 1, inodeId }, 'scan');
  }
  const problem = await until('it is a problem', ({ problems }) =>
    problems.find(({ what }) => what.includes('S3 refuses')),
  );
  expect(problem.need).toBe('act');
  expect(problem.what).toMatch(/^1 worker: S3 refuses: .*QuotaExceeded/);
  const delayed = await until('a job says why it waits', ({ delayed: { jobs } }) =>
    jobs.find(({ code }) => code === 'store-refused' || code === 'access-denied'),
  );
  expect(delayed.nextMs).toBeGreaterThan(0);
  expect(delayed.tries).toBe(0);
});

it('throttled: the job in flight names the limit that it waits for', async () => {
  world.startWorker({ S3COMPACT_REQUESTS_PER_SECOND: '1' });
  await queued();
  // A store that takes a second for an answer on a busy machine is waited for, too.
  const waits = await until('it waits', ({ inFlight }) => {
    const now = inFlight[0]?.waits;
    return now?.for === 'limit' ? now : undefined;
  });
  expect(waits).toMatchObject({ what: 'the rate S3COMPACT_REQUESTS_PER_SECOND (1 a second)' });
  const slowed = '1 run slowed down by the rate S3COMPACT_REQUESTS_PER_SECOND (1 a second)';
  const problem = await until('it is a problem', ({ problems }) => problems.find(({ what }) => what === slowed));
  expect(problem.need).toBe('wait');
});

it('damage: which inode is in quarantine, why, and that a person must act', async () => {
  const [key = ''] = await world.writer.options.redis.keys(`${world.writer.inodeKey(INODE)}:0`);
  await world.writer.options.redis.rpush(key, 'not a record');
  world.startWorker();
  await queued();
  const [entry] = await until('it is in quarantine', ({ quarantine }) =>
    quarantine.length > 0 ? quarantine : undefined,
  );
  expect(entry).toMatchObject({ fsId: 1, inodeId: '1', code: 'record-malformed' });
  const { problems } = await status();
  expect(problems).toContainEqual(
    expect.objectContaining({ need: 'act', what: expect.stringContaining('quarantine') }),
  );
});
