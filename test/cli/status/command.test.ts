/** `s3compact status` as a command: a file system that does not exist, and the screen of `--watch`. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run } from '../../../src/cli/main.ts';
import { MetadataFixture } from '../fixture.ts';

let fixture: MetadataFixture;
let env: Record<string, string>;

beforeEach(async () => {
  fixture = new MetadataFixture();
  env = { REDIS_URL: fixture.url, METADATA_PREFIX: fixture.prefix, QUEUE_PREFIX: `q-${fixture.prefix}` };
  await fixture.filesystem(1);
});
afterEach(() => fixture.close());

it('says of a file system that does not exist just that, and ends as scan does', async () => {
  const status = await fixture.cli(['status', '42'], env);
  const scan = await fixture.cli(['scan', '42'], env);
  expect(status.stderr).toContain('there is no file system 42 in the metadata store');
  expect(status.stdout).toBe('');
  expect(status).toEqual(scan);
  expect((await fixture.cli(['status', '1'], env)).exitCode).toBe(0);
});

it('--watch has a screen of its own, shows whole lines, and leaves the terminal as it was', async () => {
  let out = '';
  const stdout = {
    isTTY: true,
    columns: 80,
    rows: 10,
    write: (text: string) => {
      out += text;
      // The second page: somebody presses Ctrl-C.
      if (out.split('\u001b[H').length === 3) process.emit('SIGINT');
    },
  };
  const exitCode = await run(['status', '--watch', '100ms'], env, { stdout, stderr: { write: () => undefined } });
  expect(exitCode).toBe(0);
  expect(out.startsWith('\u001b[?1049h\u001b[?25l\u001b[H')).toBe(true);
  expect(out.endsWith('\u001b[?25h\u001b[?1049l')).toBe(true);
  const [page = ''] = out.split('\u001b[H').slice(1);
  expect(page.split('\n').length).toBeLessThanOrEqual(10);
  expect(page).toContain('queue');
});

it('--watch ends when nobody reads it any more, as in a pipe to head', async () => {
  let pages = 0;
  const stdout = {
    write: (_text: string, done?: (error?: Error) => void) => {
      pages++;
      done?.(new Error('EPIPE'));
    },
  };
  const streams = { stdout, stderr: { write: () => undefined } };
  expect(await run(['status', '--watch', '100ms'], env, streams)).toBe(0);
  expect(pages).toBe(1);
});
