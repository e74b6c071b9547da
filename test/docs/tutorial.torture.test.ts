/**
 * docs/tutorial.md, word for word: each of its commands in one bash against a Redis of its own and the run's S3 server, and
 * what the page shows against what comes out. Only the addresses and keys of the servers are put in place of the page's.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { run } from '../../src/cli/main.ts';
import { COMPACT_QUEUE } from '../../src/queue/compact-queue.ts';
import type { StatusReport } from '../../src/view/status-report.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { blocksOf, missingLine, PageShell } from './shell.ts';

const PAGE = readFileSync(new URL('../../docs/tutorial.md', import.meta.url), 'utf8');
const BLOCKS = blocksOf(PAGE);
const folder = mkdtempSync(join(tmpdir(), 's3compact-tutorial-'));
/** What a reader waits for before Ctrl-C, in the order of the blocks that watch. */
const ENOUGH: readonly ((status: StatusReport) => boolean)[] = [
  // What has run lately says nothing on a slow machine: it counts the last minute.
  ({ queues }) =>
    queues.some(({ name, waiting, active, delayed }) => name === COMPACT_QUEUE && waiting + active + delayed === 0),
  ({ reap }) => reap.pending === 0,
];
let redis: RedisService;
let shell: PageShell;

beforeAll(async () => {
  redis = await startRedis();
  mkdirSync(join(folder, 'bin'));
  symlinkSync(fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url)), join(folder, 'bin/s3compact'));
  symlinkSync(process.execPath, join(folder, 'bin/node'));
  shell = new PageShell(folder, { HOME: folder, LANG: 'C.UTF-8' });
});
afterAll(async () => {
  await shell.close();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What the watching shows, for programs. */
async function status(): Promise<StatusReport> {
  let text = '';
  const stdout = { write: (more: string) => (text += more) };
  await run(['status', '--json'], { REDIS_URL: redis.url }, { stdout, stderr: process.stderr });
  return JSON.parse(text) as StatusReport;
}

/** The page's example values; the names are the reader's to keep. */
function withServers(commands: string): string {
  const s3 = inject('s3');
  return commands
    .replace('redis://127.0.0.1:6379', redis.url)
    .replace('http://127.0.0.1:7480', s3.endpoint)
    .replace('mykey', s3.accessKeyId)
    .replace('mysecret', s3.secretAccessKey);
}

test('every block of the tutorial does what the page says', async () => {
  const watches = [...ENOUGH];
  const wrong: string[] = [];
  for (const block of BLOCKS) {
    const commands = withServers(block.commands);
    const enough = commands.includes('--watch') ? watches.shift() : undefined;
    const { code, output } = await (enough === undefined
      ? shell.run(commands)
      : shell.watch(commands, async () => enough(await status())));
    const told = `${block.heading}: ${block.commands}\n${output}`;
    if (process.env['SHOW'] !== undefined) console.log(told);
    if (code !== 0) wrong.push(`exit code ${code}: ${told}`);
    const missing = missingLine(block, output);
    if (missing !== null) wrong.push(`"${missing}" is not in what comes out: ${told}`);
  }
  expect(wrong).toEqual([]);
  expect(watches).toEqual([]);
});

test('the page goes the whole way', () => {
  const all = BLOCKS.map(({ commands }) => commands).join('\n');
  for (const command of ['example', 'scan', 'inspect', 'plan', 'worker', 'status', 'inode', 'fsck', 'gc', 'run']) {
    expect(all).toContain(`s3compact ${command}`);
  }
  expect(all).toContain('--remove');
});
