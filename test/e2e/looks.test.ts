/**
 * What each command prints, as golden files: 80 and 120 columns, with and without colours, no word broken. What differs
 * from run to run (names of buckets, ids of attempts, times) is put aside at its own length, so that lines break where they
 * do for an operator. `status` has its own (test/cli/status); `worker`, `scheduler` and `console` print a log or one line.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { CliContext } from '../../src/cli/context.ts';
import { showMade, showRemoved } from '../../src/cli/example.ts';
import { run } from '../../src/cli/main.ts';
import { summaryText } from '../../src/cli/reap.ts';
import { filesystemRunText } from '../../src/cli/run.ts';
import { scanText } from '../../src/cli/scan.ts';
import { holdNamesBegin } from '../../src/format.ts';
import { printHold } from '../../src/reap/hold-note.ts';
import type { ScanReport } from '../../src/scan/types.ts';
import { NO_BACKLOG } from '../../src/scan-port.ts';
import { LOOKS, type Look, looksOf, tooWide, WIDTHS } from '../kit/support/looks.ts';
import { E2eWorld } from './world.ts';

const SINCE_MS = 1_800_000_000_000;
const FILE = 10n;
const DAMAGED = 12n;
const INCOMPLETE = 13n;
/** Compacted, and then the store lost some of it. */
const LOST = 30n;
/** One for each look: a file can be compacted once. */
const FRESH = 21n;
let world: E2eWorld;

async function file(inodeId: bigint): Promise<void> {
  await world.writer.createInode(inodeId);
  for (let n = 0; n < 25; n++) await world.writer.write(inodeId, n * 1_000, 1_500);
}

beforeAll(async () => {
  world = await E2eWorld.open('looks');
  const ids = [FILE, DAMAGED, INCOMPLETE, LOST, ...LOOKS.map((_, n) => FRESH + BigInt(n))];
  for (const inodeId of ids) await file(inodeId);
  await world.compactInline(LOST);
  const merged = (await world.writer.referencedNames([LOST])).filter((name) => !name.endsWith('_0'));
  const missing = (await world.writer.referencedNames([INCOMPLETE])).slice(0, 1);
  await world.writer.deleteObjects([...merged.slice(0, 1), ...missing]);
  await world.writer.options.redis.rpush(`${world.writer.inodeKey(DAMAGED)}:0`, '5,0,65530,10,10,0');
  for (const name of ['readme.txt', `1_${FILE}_1_0_7`]) await world.writer.putObject(name, Buffer.alloc(10));
  const { clients } = world;
  const entry = {
    code: 'list-invalid',
    reason: 'chunk 0: version 25 crosses the border of the chunk',
    sinceMs: SINCE_MS,
  };
  await clients.quarantine.put({ fsId: 1, inodeId: DAMAGED }, entry);
  const missingEntry = {
    ...entry,
    sinceMs: SINCE_MS + 1,
    code: 'object-missing',
    reason: 'object 1_13_1_0_0 is missing',
  };
  await clients.quarantine.put({ fsId: 1, inodeId: INCOMPLETE }, { ...missingEntry, lookAtMs: SINCE_MS + 3_600_000 });
  const filesystem = await clients.metadata.getFilesystem(1);
  if (filesystem === null) throw new Error('no file system');
  const hold = { fsId: 1, uuid: filesystem.uuid, by: 'ops-1:77', sinceMs: SINCE_MS };
  const reason = 'nightly backup of the metadata, see the page of the storage team before you release it';
  await world.writer.putObject(`${holdNamesBegin(1)}k2v9xq1m`, Buffer.from(printHold({ ...hold, reason })));
});
afterAll(() => world.close());

/** What is another one each time, at the same length. */
function plain(text: string): string {
  const { bucket, prefix } = world.writer.options;
  return text
    .replaceAll(bucket, 'B'.repeat(bucket.length))
    .replaceAll(prefix, 'P'.repeat(prefix.length))
    .replaceAll(/\d{16,}/g, (id) => '9'.repeat(id.length))
    .replaceAll(/20\d\d-\d\d-\d\dT[\d:.]+Z/g, '2027-01-15T08:00:00.000Z')
    .replaceAll(/\b\d+\.\d s\b/g, '0.1 s')
    .replaceAll(/[\d,]+ inodes a second/g, '100 inodes a second')
    .replaceAll(/127\.0\.0\.1:\d{5}/g, '127.0.0.1:12345')
    .split('\n')
    .filter((line) => !/^ {2}(?:versioning|object lock|lifecycle) /.test(line))
    .join('\n');
}

async function shown(argv: readonly string[], { width, color }: Look): Promise<string> {
  const out = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof out) => ({ write: (text: string) => (out[name] += text), columns: width });
  const env = { ...world.env, [color ? 'FORCE_COLOR' : 'NO_COLOR']: '1' };
  const exitCode = await run(argv, env, { stdout: stream('stdout'), stderr: stream('stderr') });
  // Words beside an answer, such as progress, come when they come.
  return plain(`${out.stdout || out.stderr}(exit code ${exitCode})`);
}

/** Which look it is, for commands that change what they show. */
const indexOf = ({ width, color }: Look) => LOOKS.findIndex((look) => look.width === width && look.color === color);

const ONE = `${FILE}`;
const COMMAND_LINES: readonly (readonly [
  name: string,
  argv: readonly string[] | ((look: Look) => readonly string[]),
])[] = [
  ['inspect', ['inspect', '1', ONE]],
  ['inspect-damaged', ['inspect', '1', `${DAMAGED}`]],
  ['plan', ['plan', '1', ONE]],
  ['inode', (look) => ['inode', '1', `${FRESH + BigInt(indexOf(look))}`, '--inline']],
  ['inode-quarantined', ['inode', '1', `${DAMAGED}`, '--inline']],
  ['inode-unknown', ['inode', '1', '4711']],
  ['scan-top', ['scan', '1', '--top', '3']],
  ['fsck', ['fsck', '1', `${INCOMPLETE}`]],
  ['fsck-damaged', ['fsck', '1', `${DAMAGED}`]],
  ['repair', ['repair', '1', `${LOST}`, '--dry-run']],
  ['gc', ['gc', '1']],
  ['doctor', ['doctor', '1']],
  ['adopt', ['adopt', '1']],
  ['quarantine-list', ['quarantine', 'list']],
  ['quarantine-release', ['quarantine', 'release', '1', '99']],
  ['hold-list', ['hold', 'list', '1']],
  ['pause', ['pause', '1']],
  ['resume', ['resume', '2']],
  ['usage', ['inode', '1', '5x']],
  ['settings', ['plan', '1', ONE, '--fragment-threshold', '-3', '--max-bytes', 'lots']],
];

describe('commands', () => {
  it.each(COMMAND_LINES)('%s', async (name, argv) => {
    const texts: string[] = [];
    const file = await looksOf(async (look) => {
      const text = await shown(typeof argv === 'function' ? argv(look) : argv, look);
      texts.push(...(look.color ? [] : tooWide(text, look)));
      return text;
    });
    await expect(file).toMatchFileSnapshot(`golden/${name}.txt`);
    expect(texts).toEqual([]);
  });

  it.each(COMMANDS.map(({ name }) => name))('the help of %s breaks no word', async (name) => {
    for (const width of WIDTHS)
      expect(tooWide(await shown([name, '--help'], { width, color: false }), { width })).toEqual([]);
  });
});

const SCAN: ScanReport = {
  ending: 'stopped',
  fsId: 1,
  queued: 1_200,
  resumedInodes: 40_000,
  restarts: 1,
  top: [],
  durationMs: 61_000,
  backlog: {
    ...NO_BACKLOG,
    inodes: 1_234_567,
    inodesWorthIt: 5_432,
    chunksWorthIt: 8_765,
    unreadable: 2,
    quarantined: 3,
  },
};
const COUNTS = { endings: { done: 12, later: 3, quarantined: 1 }, chunksCompacted: 40, bytesMoved: 3.5 * 2 ** 30 };
const FILESYSTEM = {
  fsId: 7,
  uuid: 'u',
  name: 'example',
  bucket: 's3compact-example',
  objectPrefix: 0 as const,
  blockSize: 4_194_304,
  chunkSize: 67_108_864,
};
const TEXTS: readonly (readonly [name: string, tell: (context: CliContext) => void])[] = [
  ['scan', (context) => context.data(scanText(SCAN, context, false))],
  ['scan-dry-run', (context) => context.data(scanText(SCAN, context, true))],
  [
    'run',
    (context) => {
      const reap = { reapLeft: 15, reapHeld: 0, reapPaused: false, reapEarlier: 3 };
      const left = { jobsLeft: 1_234, ...reap, durationMs: 61_000, failure: null };
      const report = {
        ...COUNTS,
        ...left,
        end: 'stopped',
        fsId: 1,
        scan: SCAN,
        getsSaved: 1_234,
        bytesReclaimed: 2 ** 30,
      } as const;
      context.data(filesystemRunText(report, context));
    },
  ],
  [
    'reap',
    (context) => {
      const counts = {
        records: 12,
        deleted: 1_234,
        stillReferenced: 3,
        again: 4,
        pending: 5,
        held: 1,
        onHold: 2,
        paused: false,
      };
      const doubts = ['the store lacks objects that the lists of inode 1/77 reference; nothing of it was deleted'];
      context.data(summaryText({ ...counts, doubts, nextLookMs: 90_000 }, 0));
    },
  ],
  [
    'example',
    (context) => {
      const files = [{ inodeId: 1n, what: 'a log: 60 small appends', bytes: 4_194_304, versions: 60 }];
      showMade({ filesystem: FILESYSTEM, madeBucket: true, files }, context);
      showRemoved({ filesystem: FILESYSTEM, objects: 122, bucket: 'removed' }, context);
    },
  ],
];

it.each(TEXTS)('the words of %s', async (name, tell) => {
  const wide: string[] = [];
  const file = await looksOf((look) => {
    let text = '';
    const stream = { write: (part: string) => (text += part), columns: look.width };
    tell(new CliContext({ [look.color ? 'FORCE_COLOR' : 'NO_COLOR']: '1' }, { stdout: stream, stderr: stream }));
    wide.push(...(look.color ? [] : tooWide(text, look)));
    return text;
  });
  await expect(file).toMatchFileSnapshot(`golden/words-${name}.txt`);
  expect(wide).toEqual([]);
});
