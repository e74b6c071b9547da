/** Log-in and acts on a volume in the slice layout, in a real Chromium: fit for all, what each says, and what it did. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axeViolations, CHROMIUM, openPage, startChromium, structureOf } from './chromium.ts';
import { KEY, STOPPED, TOKEN, VolumeConsoleWorld } from './volume-world.ts';

if (CHROMIUM === undefined) process.stderr.write('skipped: no Chromium (scripts/install-services.sh)\n');

describe.skipIf(CHROMIUM === undefined)('acts on a volume in Chromium', () => {
  let world: VolumeConsoleWorld;
  let browser: Browser;

  beforeAll(async () => {
    world = await VolumeConsoleWorld.open();
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await world?.close();
  });

  it('the pages with forms are fit for all, and each act says what it did and does it', async () => {
    const { page, expectQuiet } = await openPage(browser, world.url, { width: 360 });
    const press = async (path: string, button: string) => {
      await page.goto(new URL(path, world.url).href);
      await page.click(`main button:text-is("${button}")`);
      return page.textContent('main [role=status]');
    };
    await page.goto(world.url);
    await page.fill('input[name=token]', TOKEN);
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=What it keeps');
    for (const path of ['/', '/files', '/files/1/5', '/files/1/6', '/stuck']) {
      await page.goto(new URL(path, world.url).href);
      expect(await axeViolations(page), path).toEqual([]);
      expect(await structureOf(page)).not.toContain('TOO WIDE');
      expect(await page.locator('main form[action^="/acts/"]').count(), path).toBeGreaterThan(0);
    }
    const before = await world.volumeKeys();
    const { queue, quarantine, control } = world.clients;
    expect(await press('/files/1/5', 'Compact now')).toBe('file 1/5 is queued before all others');
    expect(await queue.jobIdOf(KEY)).not.toBeNull();
    expect(await press('/stuck', 'Release and queue')).toBe('inode 1/6 is released, and queued');
    expect(await quarantine.get(STOPPED)).toBeNull();
    expect(await press('/files', 'Pause file system 1')).toBe('file system 1 is paused');
    expect((await control.paused()).filesystems).toMatchObject([{ fsId: 1 }]);
    // Where it leads is there.
    await page.click('main a:text-is("Go on")');
    await page.waitForSelector('text=Files of vol');
    expect(await press('/', 'Resume everything')).toContain('everything is resumed');
    expect((await control.paused()).filesystems).toEqual([]);
    expect(await world.volumeKeys()).toEqual(before);
    expectQuiet();
    await page.context().close();
  });
});
