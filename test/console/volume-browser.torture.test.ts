/**
 * The console of a volume that the real JuiceFS program has written, in a real Chromium: what is said in the browser's console,
 * who is asked, what axe-core finds, how wide and narrow pages are made; with the figures of the commands, and nothing changed.
 */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import { type RunningConsole, startVolumeConsole } from '../../src/console/server.ts';
import type { SliceVolume } from '../../src/metadata/slice-volume.ts';
import { createLogger } from '../../src/observe/log.ts';
import { JuicefsWorld, writeByAllWays } from '../e2e/juicefs-world.ts';
import { juicefsVersion } from '../kit/servers/juicefs.ts';
import { axeViolations, CHROMIUM, openPage, startChromium, structureOf } from './chromium.ts';

const isThere = CHROMIUM !== undefined && juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';
if (!isThere) process.stderr.write('skipped: no Chromium, or no JuiceFS on radosgw (scripts/install-services.sh)\n');

/** Three parts of an upload, each a slice of its own. */
const FILE = '/uploads/parts-5242881.bin';

describe.runIf(isThere)('the console of a real volume in Chromium', () => {
  let world: JuicefsWorld;
  let volume: SliceVolume;
  let running: RunningConsole;
  let browser: Browser;
  let file: string;

  beforeAll(async () => {
    world = await JuicefsWorld.open('volume-browser');
    await writeByAllWays(world);
    volume = await world.volume();
    // So that three large parts are worth merging.
    const dial = { S3COMPACT_FRAGMENT_THRESHOLD: '1', S3COMPACT_AGGRESSIVENESS: '64MiB' };
    const env = { METADATA_URL: world.url(), S3COMPACT_CONSOLE_LISTEN: '127.0.0.1:0', ...dial };
    const log = createLogger({ level: 'error' });
    running = await startVolumeConsole(volume, loadSettings({ flags: {}, env }), { log });
    browser = await startChromium();
    file = `/files/1/${await volume.find(FILE)}`;
  });
  afterAll(async () => {
    await browser?.close();
    await running?.close();
    await volume?.close();
    await world?.close();
  });

  it.each([
    ['volume-overview', '/'],
    ['volume-files', '/files'],
    ['volume-stuck', '/stuck'],
    ['volume-file', undefined],
  ])('%s: quiet, alone, without a violation, wide and narrow, light and dark', async (name, path) => {
    for (const [form, style] of [
      ['wide', { width: 1280 }],
      ['narrow', { width: 360, dark: true }],
    ] as const) {
      const { page, expectQuiet } = await openPage(browser, running.url, style);
      await page.goto(new URL(path ?? file, running.url).href);
      expectQuiet();
      expect(await axeViolations(page), `${name} ${form}`).toEqual([]);
      const structure = await structureOf(page);
      expect(structure).not.toContain('TOO WIDE');
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      await expect(structure).toMatchFileSnapshot(`golden/${name}-${form}.txt`);
      await page.context().close();
    }
  });

  it('a path leads to its file, with the figures of the commands, and looking changes nothing', async () => {
    const before = await world.everything();
    const { total } = await world.json<{ total: { gets: number; records: number } }>(['inspect', '1', FILE]);
    const { live } = await world.json<{ live: { files: number } }>(['waste', '1']);
    const { page, expectQuiet } = await openPage(browser, running.url, { width: 1280 });
    await page.goto(new URL('/files', running.url).href);
    await page.fill('input[name=inode]', FILE);
    await page.keyboard.press('Enter');
    await page.waitForURL(`**${file}`);
    await page.waitForSelector(`text=a full read takes ${total.gets} GETs`);
    expect(await page.locator('svg.map').first().getAttribute('aria-label')).toContain(`${total.gets} GETs`);
    expect(await page.locator('details tbody tr').count()).toBe(total.records);
    await page.click('text=Overview');
    await page.waitForSelector(`text=${live.files} files`);
    expectQuiet();
    await page.context().close();
    expect(await world.everything()).toEqual(before);
  });
});
