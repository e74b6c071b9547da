/** Debian's Chromium, where it is installed, and what every page must be in it: silent, alone, and fit for all. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const CHROMIUM = PLACES.find((path) => existsSync(path));
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export async function startChromium(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error('no Chromium is installed');
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'], timeout: 0 });
}

export interface Watched {
  readonly page: Page;
  /** Nothing was said in the console, and nobody else was asked. */
  expectQuiet(): void;
}

export async function openPage(
  browser: Browser,
  origin: string,
  style: { readonly width: number; readonly dark?: boolean },
): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: style.width, height: 900 },
    colorScheme: style.dark === true ? 'dark' : 'light',
    // For axe, which is put into the page by the test.
    bypassCSP: false,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(0);
  const said: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') said.push(message.text());
  });
  page.on('pageerror', (error) => said.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) said.push(`asked ${request.url()}`);
  });
  return { page, expectQuiet: () => expect(said).toEqual([]) };
}

/** Rules of axe-core that the page breaks, each with the first place. */
export async function axeViolations(page: Page): Promise<readonly string[]> {
  // What is folded is part of the page. Evaluated by the debugger, so that the page's own policy stays as it is.
  return page.evaluate(`for (const one of document.querySelectorAll('details')) one.open = true;
    ${AXE}; axe.run(document).then(({ violations }) =>
    violations.map(({ id, nodes }) => id + ': ' + nodes[0].html.slice(0, 200)))`);
}

/** What a page is made of, without its numbers and words: headings, regions, tables, pictures, forms. Runs in the page. */
const STRUCTURE = `(() => {
  const kept = 'header nav main section article h1 h2 h3 table th figure form label button svg ol ul'.split(' ');
  const lines = [];
  const walk = (element, depth) => {
    const name = element.tagName.toLowerCase();
    const isKept = kept.includes(name);
    if (isKept) {
      const words = /^(h[1-3]|th|button)$/.test(name) ? ' ' + element.textContent.trim().replaceAll(/\\d+/g, '#') : '';
      const box = element.getBoundingClientRect();
      const wide = box.right > innerWidth + 1 && element.closest('.wide') === null ? ' TOO WIDE' : '';
      lines.push('  '.repeat(depth) + name + words + wide);
    }
    if (name !== 'svg') for (const child of element.children) walk(child, isKept ? depth + 1 : depth);
  };
  walk(document.body, 0);
  return lines.join('\\n') + '\\n';
})()`;

export function structureOf(page: Page): Promise<string> {
  return page.evaluate(STRUCTURE);
}
