/** What is stuck, over real HTTP, Redis and S3: each list with its reason and the runbook's words, a part at a time. */

import { UnrecoverableError, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { COMPACT_QUEUE } from '../../src/queue/compact-queue.ts';
import { later } from '../../src/time.ts';
import { RUNBOOK } from '../../src/view/runbook.ts';
import { ConsoleWorld } from './world.ts';

const QUARANTINED = 300;
let console: ConsoleWorld;

beforeAll(async () => {
  console = await ConsoleWorld.open('stuck');
  const { quarantine, queue, ledger } = console.world.clients;
  for (let n = 1; n <= QUARANTINED; n++) {
    const entry = { code: 'object-missing', reason: `the <b>block</b> ${n} is missing`, sinceMs: 1_800_000_000_000 };
    await quarantine.put({ fsId: 1, inodeId: BigInt(n) }, entry);
  }
  await giveUp();
  await queue.queue.add('compact', { fsId: 1, inodeId: '9072', origin: 'scan' }, { delay: 5_400_000 });
  const record = { fsId: 1, inodeId: '9073', chunkIndex: 4 } as const;
  type Data = Parameters<typeof ledger.queue.add>[1];
  const nowMs = await ledger.nowMs();
  await ledger.queue.add('reap', { ...record, dueMs: later(nowMs, -3_600_000) } as Data);
  await ledger.queue.add('reap', { ...record, inodeId: '9074', dueMs: later(nowMs, 60_000), doubts: 3 } as Data, {
    delay: 60_000,
  });
});
afterAll(() => console.close());

/** A job that a worker gave up. */
async function giveUp(): Promise<void> {
  const { queue, status } = console.world.clients;
  await queue.enqueue({ fsId: 1, inodeId: 9071n }, 'command');
  const fail = () => Promise.reject(new UnrecoverableError('the list breaks the format'));
  const connection = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null });
  const worker = new Worker(COMPACT_QUEUE, fail, { connection, prefix: status.prefix });
  await new Promise((resolve) => worker.once('failed', resolve));
  await worker.close();
  connection.disconnect();
}

it('says of each why, and what to do in the words of the runbook', async () => {
  const text = await console.text('/stuck');
  expect(text).toContain(`<p>${QUARANTINED} inodes.</p>`);
  expect(text).toContain('the &lt;b&gt;block&lt;/b&gt;');
  for (const inode of ['9071', '9072', '9073', '9074']) expect(text, inode).toContain(`href="/files/1/${inode}"`);
  expect(text).toContain('the list breaks the format');
  expect(text).toMatch(/<td>in 1h (?:30|2\d)m/);
  expect(text).toMatch(/1h late.*\n?.*no worker is connected/);
  expect(text).toContain('in doubt 3 times in a row');
  for (const { heading } of Object.values(RUNBOOK)) expect(text).toContain(`(runbook: ${heading})`);
  expect(text).toContain('<code>s3compact quarantine release FS INODE --queue</code>');
});

it('gives the quarantine in parts, all of it and each part bounded', async () => {
  const seen = new Set<string>();
  let path: string | undefined = '/stuck';
  for (let parts = 0; path !== undefined; parts++) {
    expect(parts).toBeLessThan(QUARANTINED);
    const text: string = await console.text(path);
    const section = text.slice(text.indexOf('id="quarantine"'), text.indexOf('id="failed"'));
    const found = [...section.matchAll(/href="\/files\/1\/(\d+)"/g)].map(([, inode = '']) => inode);
    expect(found.length).toBeLessThan(QUARANTINED / 2);
    for (const inode of found) seen.add(inode);
    path = /href="(\/stuck\?quarantine=\d+)#/.exec(section)?.[1];
  }
  expect(seen.size).toBe(QUARANTINED);
});

it('begins anew where the address cannot be read', async () => {
  const text = await console.text('/stuck?quarantine=-1&failed=x&delayed=1e9&records=');
  expect(text).toContain('href="/files/1/9071"');
  expect(await console.text('/stuck?failed=1')).not.toContain('href="/files/1/9071"');
});

it('costs as many calls as docs/console.md says, whatever is in the lists', async () => {
  // The sample is not of the page.
  await console.text('/');
  const calls = console.countCalls();
  await console.text('/stuck');
  // 16 for the lists, four jobs and records that are read one by one; a sample may be taken meanwhile.
  expect(calls()).toBeLessThanOrEqual(16 + 4 + 40);
});
