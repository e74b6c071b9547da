/**
 * The console in a real Chromium, with a real worker on real servers: what is said in the browser's console, who is asked,
 * what axe-core finds, how wide and narrow pages are made, and numbers that change without a reload.
 */
import { type Job, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { COMPACT_QUEUE } from '../../src/queue/compact-queue.ts';
import { axeViolations, CHROMIUM, openPage, startChromium, structureOf } from './chromium.ts';
import { ConsoleWorld } from './world.ts';

if (CHROMIUM === undefined) process.stderr.write('skipped: no Chromium is installed (scripts/install-services.sh)\n');

const PAGES = [
  ['overview', '/'],
  ['files', '/files'],
  ['worst', '/files/1'],
  ['file', '/files/1/500'],
  ['stuck', '/stuck'],
  ['what-if', '/files/1/500/what-if'],
  ['missing', '/nothing'],
] as const;

describe.skipIf(CHROMIUM === undefined)('the console in Chromium', () => {
  let console: ConsoleWorld;
  let browser: Browser;

  beforeAll(async () => {
    console = await ConsoleWorld.open('browser', { env: { S3COMPACT_FRAGMENT_THRESHOLD: '3' } });
    await console.store(500n);
    await console.store(501n);
    await console.world.clients.queue.queue.add(
      'compact',
      { fsId: 1, inodeId: '7', origin: 'scan' },
      { delay: 5_400_000 },
    );
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await console?.close();
  });

  it.each([...PAGES])('%s: quiet, alone, without a violation, wide and narrow, light and dark', async (name, path) => {
    for (const [form, style] of [
      ['wide', { width: 1280 }],
      ['narrow', { width: 360, dark: true }],
    ] as const) {
      const { page, expectQuiet } = await openPage(browser, console.url, style);
      await page.goto(new URL(path, console.url).href);
      if (name !== 'missing') expectQuiet();
      expect(await axeViolations(page), `${name} ${form}`).toEqual([]);
      const structure = await structureOf(page);
      expect(structure).not.toContain('TOO WIDE');
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      await expect(structure).toMatchFileSnapshot(`golden/${name}-${form}.txt`);
      await page.context().close();
    }
  });

  it('a file says how far its run has come, and that it is over, without a reload', async () => {
    const { queue, status } = console.world.clients;
    await queue.enqueue({ fsId: 1, inodeId: 501n }, 'command');
    const over = Promise.withResolvers<void>();
    const connection = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null });
    const progress = { chunksDone: 1, chunksTotal: 3, blocksDone: 2, blocksTotal: 8, bytesMoved: 1024 };
    const work = async (job: Job) => {
      await job.updateProgress({ kind: 'running', progress });
      await over.promise;
    };
    const worker = new Worker(COMPACT_QUEUE, work, { connection, prefix: status.prefix });
    const { page, expectQuiet } = await openPage(browser, console.url, { width: 1280 });
    await page.goto(new URL('/files/1/501', console.url).href);
    await page.evaluate(`document.body.setAttribute('data-mark', 'first load')`);
    await page.waitForSelector('text=1/3 chunks, 2/8 blocks, 1 KiB moved');
    over.resolve();
    await page.waitForSelector('text=No worker has it in hand.');
    expect(await page.evaluate(`document.body.getAttribute('data-mark')`)).toBe('first load');
    expectQuiet();
    await page.context().close();
    await worker.close();
    connection.disconnect();
  });

  it('on paper there is all that is folded, and nothing to press', async () => {
    const { page } = await openPage(browser, console.url, { width: 1280 });
    await page.emulateMedia({ media: 'print' });
    await page.goto(new URL('/stuck', console.url).href);
    expect(await page.locator('header nav').isVisible()).toBe(false);
    const advice = page.locator('#quarantine ~ details p').first();
    expect(await advice.isVisible()).toBe(true);
    await page.goto(new URL('/files/1/500', console.url).href);
    expect(await page.locator('svg.map').first().isVisible()).toBe(true);
    expect(await page.locator('form:visible, button:visible').count()).toBe(0);
    await page.context().close();
  });

  it('the keyboard begins at the skip link, and its place stays when what is around it changes', async () => {
    const { page, expectQuiet } = await openPage(browser, console.url, { width: 1280 });
    await page.goto(console.url);
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to the contents');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Overview');
    await console.world.command(['scan', '1']);
    await page.waitForSelector('main a[href="/files/1"]');
    await page.focus('main a[href="/files/1"]');
    const entry = { code: 'object-missing', reason: 'for the test', sinceMs: 1_800_000_000_000 };
    await console.world.clients.quarantine.put({ fsId: 1, inodeId: 9n }, entry);
    await page.waitForSelector('text=1 inode in quarantine');
    expect(await focused(page)).toBe('1');
    expectQuiet();
    await page.context().close();
  });

  it('a worker compacts: the overview says so without a reload, and the file has a run and less to do', async () => {
    const { page, expectQuiet } = await openPage(browser, console.url, { width: 1280 });
    await page.goto(console.url);
    await page.evaluate(`document.body.setAttribute('data-mark', 'first load')`);
    await page.waitForSelector('text=2 waiting');
    console.world.startWorker();
    await page.waitForSelector('text=1 worker,');
    await page.waitForSelector('text=0 waiting');
    await page.waitForSelector('text=Nothing is being worked on.');
    expect(await page.evaluate(`document.body.getAttribute('data-mark')`)).toBe('first load');
    await page.goto(new URL('/files/1/500', console.url).href);
    await page.waitForSelector('text=Nothing to do: no chunk is worth compacting.');
    expect(await page.locator('table', { hasText: 'asked by' }).locator('tbody tr').count()).toBe(1);
    expectQuiet();
    await page.context().close();
  });
});

describe.skipIf(CHROMIUM === undefined)('log-in and acts in Chromium', () => {
  const token = 'a-token-of-the-tests-0123456789';
  let console: ConsoleWorld;
  let browser: Browser;

  beforeAll(async () => {
    console = await ConsoleWorld.open('browser-acts', { token, env: { S3COMPACT_CONSOLE_ALLOW_ACTIONS: 'true' } });
    await console.store(500n);
    const entry = { code: 'object-missing', reason: 'for the test', sinceMs: 1_800_000_000_000 };
    await console.world.clients.quarantine.put({ fsId: 1, inodeId: 500n }, entry);
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await console?.close();
  });

  it('the pages with forms are fit for all; each act says what it did; the log-out ends it', async () => {
    const { page, expectQuiet } = await openPage(browser, console.url, { width: 360 });
    const expectFit = async (name: string) => {
      expect(await axeViolations(page), name).toEqual([]);
      const structure = await structureOf(page);
      expect(structure).not.toContain('TOO WIDE');
      await expect(structure).toMatchFileSnapshot(`golden/${name}.txt`);
    };
    const press = async (path: string, button: string) => {
      await page.goto(new URL(path, console.url).href);
      await page.click(`main button:text-is("${button}")`);
      return page.textContent('main [role=status]');
    };
    await page.goto(console.url);
    expect(new URL(page.url()).pathname).toBe('/login');
    await expectFit('login');
    await page.fill('input[name=token]', token);
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=The chain');
    for (const [name, path] of [
      ['acts-overview', '/'],
      ['acts-worst', '/files/1'],
      ['acts-file', '/files/1/500'],
      ['acts-stuck', '/stuck'],
    ] as const) {
      await page.goto(new URL(path, console.url).href);
      // The sample may be older than the file in quarantine; the page has it when it comes.
      if (path === '/') await page.waitForSelector('main ul');
      await expectFit(name);
    }
    expect(await press('/stuck', 'Release and queue')).toBe('inode 1/500 is released, and queued');
    expect(await press('/files/1/500', 'Compact now')).toBe('file 1/500 is queued before all others');
    expect(await press('/files/1', 'Pause file system 1')).toBe('file system 1 is paused');
    expect(await press('/', 'Resume everything')).toContain('everything is resumed');
    expect((await console.world.clients.control.paused()).filesystems).toEqual([]);
    await page.click('text=Log out');
    await page.waitForURL('**/login');
    await page.goto(new URL('/stuck', console.url).href);
    expect(new URL(page.url()).pathname).toBe('/login');
    expectQuiet();
    await page.context().close();
  });
});

function focused(page: Page): Promise<string | undefined> {
  return page.evaluate('document.activeElement?.textContent');
}
