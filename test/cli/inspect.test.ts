/**
 * `s3compact inspect` against real Redis: lists, ranges, block map and read cost as they are; broken lists as far as
 * they go; the documented JSON.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { uniquePrefix } from '../setup/isolation.ts';
import { MetadataFixture, record } from './fixture.ts';

const fixture = new MetadataFixture();
const MERGED = '1,9223372036854775808,16,16,16,0';

beforeAll(async () => {
  await fixture.filesystem(1, { endpoint: 'http://user:hunter2@s3.example:9000', region: 'eu' });
  // Chunk 0: a covered version, an overwrite, a zero version, a hole. Chunk 10 sorts after 2 only as a number.
  await fixture.inode(1, {
    id: 1,
    length: 1000,
    chunks: {
      0: [record(1, 0, 16), record(2, 0, 24), record(3, 4, 4), record(4, 28, 8, 1), MERGED],
      2: [record(5, 128, 64)],
      10: [record(6, 640, 10)],
    },
  });
  await fixture.inode(1, { id: 2, length: 64, chunks: { 0: [record(1, 0, 64), record(2, 60, 8), record(3, 8, 0)] } });
  await fixture.inode(1, { id: 3, length: 64, chunks: { 0: [record(1, 0, 64), 'x', record(3, 8, 8)] } });
  await fixture.inode(1, { id: 4, length: 64, type: 'dir' });
  await fixture.inode(1, { id: 5, length: 64, nlink: 0 });
  await fixture.inode(1, { id: 6, length: 0 });
  const many = Array.from({ length: 2500 }, (_, n) => record(n + 1, n % 64, 1));
  await fixture.inode(1, { id: 7, length: 64, chunks: { 0: many } });
});

afterAll(() => fixture.close());

const size = z.number().int().min(0);
const id = z.string().regex(/^\d+$/);
const readCostShape = z.strictObject({ gets: size, dataBytes: size, versions: size, objects: size, storedBytes: size });
/** The documented shape (`s3compact inspect --help`). */
const inspectShape = z.strictObject({
  filesystem: z.strictObject({
    fsId: size,
    uuid: z.string(),
    name: z.string(),
    bucket: z.string(),
    blockSize: size,
    chunkSize: size,
    objectPrefix: size,
    endpoint: z.string().optional(),
    region: z.string().optional(),
    lastChunkId: id.optional(),
  }),
  quarantine: z.null(),
  inode: z.strictObject({
    fsId: size,
    inodeId: id,
    length: size,
    nlink: size,
    mtimeMs: size,
    type: z.string(),
    attempt: id.optional(),
  }),
  total: readCostShape.extend({ chunks: size, faults: size }),
  chunks: z.array(
    z.strictObject({
      chunkIndex: size,
      versionsTotal: size,
      versionsRead: size,
      rangesTotal: size,
      readCost: readCostShape.optional(),
      fault: z.strictObject({ code: z.string(), message: z.string() }).optional(),
      versions: z.array(
        z.strictObject({
          position: size,
          chunkId: id,
          compaction: id,
          offset: size,
          len: size,
          size,
          zero: z.boolean(),
          visibleBytes: size.optional(),
          fault: z.string().optional(),
        }),
      ),
      ranges: z.array(z.strictObject({ begin: size, end: size, version: size, zero: z.boolean() })),
    }),
  ),
});

async function inspectJson(argv: readonly string[]): Promise<z.infer<typeof inspectShape> & { exitCode: number }> {
  const { exitCode, stdout, stderr } = await fixture.cli(['inspect', '--json', ...argv]);
  expect(stderr).toBe('');
  return { ...inspectShape.parse(JSON.parse(stdout)), exitCode };
}

describe('s3compact inspect', () => {
  it('shows versions, ranges, the block map and what a full read costs, and changes nothing', async () => {
    const before = await fixture.dump();
    const { exitCode, stdout, stderr } = await fixture.cli(['inspect', '1', '1', '--chunk', '0']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('inode 1/1: 1000 B');
    expect(stdout).toContain('bucket photos-data');
    expect(stdout).toContain('│aaaabbbbaaaaaaaa│      3');
    expect(stdout).toContain('│AAAAAAAAAAAAAAAA│      1');
    expect(stdout).toContain('│0000············│\n');
    expect(stdout).toMatch(/^ +0 +1 +0 +0 +16 B +none$/m);
    expect(stdout).toMatch(/^ +1 +2 +0 +0 +24 B +12 B$/m);
    expect(stdout).toMatch(/^ +3 +4 +0 +28 +8 B +4 B +zeros$/m);
    expect(stdout).toMatch(/^ +4 +1 +9223372036854775808 +16 +16 B +16 B$/m);
    expect(stdout).toMatch(/^ +8 +16 +8 B +1$/m);
    expect(stdout).toMatch(/a full read takes 4 GETs for 32 B; stored are 60 B in 5 objects of 5 versions/);
    expect(await fixture.dump()).toEqual(before);
  });

  it('with --json holds all chunks in order, exact and in the documented shape', async () => {
    const report = await inspectJson(['1', '1']);
    expect(report.exitCode).toBe(0);
    expect(report.inode).toMatchObject({ fsId: 1, inodeId: '1', length: 1000, type: 's3' });
    expect(report.filesystem.endpoint).toBe('http://***@s3.example:9000');
    expect(report.chunks.map((chunk) => chunk.chunkIndex)).toEqual([0, 2, 10]);
    expect(report.chunks[0]?.ranges).toEqual([
      { begin: 0, end: 4, version: 1, zero: false },
      { begin: 4, end: 8, version: 2, zero: false },
      { begin: 8, end: 16, version: 1, zero: false },
      { begin: 16, end: 32, version: 4, zero: false },
      { begin: 32, end: 36, version: 3, zero: true },
    ]);
    expect(report.chunks[0]?.versions.map((version) => version.visibleBytes)).toEqual([0, 12, 4, 4, 16]);
    expect(report.chunks[0]?.versions[4]?.compaction).toBe('9223372036854775808');
    expect(report.total).toEqual({
      chunks: 3,
      faults: 0,
      gets: 9,
      dataBytes: 106,
      versions: 7,
      objects: 10,
      storedBytes: 134,
    });
  });

  it('cuts long lists with a note in text, by --limit in JSON, and keeps the totals exact', async () => {
    const text = await fixture.cli(['inspect', '1', '7', '--limit', '5']);
    expect(text.stdout).toContain('… 2,495 more (--limit 0 shows all)');
    expect(text.stdout).toContain('… 59 more (--limit 0 shows all)');
    expect(text.stdout.split('\n').length).toBeLessThan(60);
    const cut = await inspectJson(['1', '7', '--limit', '5']);
    expect(cut.chunks[0]).toMatchObject({ versionsTotal: 2500, rangesTotal: 64 });
    expect(cut.chunks[0]?.versions).toHaveLength(5);
    expect(cut.total).toMatchObject({ versions: 2500, gets: 64 });
    expect((await inspectJson(['1', '7'])).chunks[0]?.versions).toHaveLength(2500);
    const chunks = await fixture.cli(['inspect', '1', '1', '--limit', '1']);
    expect(chunks.stdout).toContain('2 more chunks not shown');
    expect((await fixture.cli(['inspect', '1', '7', '--limit', '0'])).stdout).not.toContain('more (');
  });

  it('shows a list that breaks the format, with what is wrong where, and ends with 4', async () => {
    const { exitCode, stdout } = await fixture.cli(['inspect', '1', '2']);
    expect(exitCode).toBe(4);
    expect(stdout).toContain('chunk 0, version 1 of the list');
    expect(stdout).toMatch(/^ +1 +2 +0 +60 +8 B +\? +its extent \[60, 68\) crosses the border/m);
    expect(stdout).toMatch(/^ +2 +3 +0 +8 +0 B +\? +its length is 0$/m);
    expect(stdout).toContain('1 list broken');
    const report = await inspectJson(['1', '2']);
    expect(report.exitCode).toBe(4);
    expect(report.chunks[0]).toMatchObject({ fault: { code: 'list-invalid' }, versionsTotal: 3 });
    expect(report.chunks[0]?.versions[2]?.fault).toBe('its length is 0');
    expect(report.total).toMatchObject({ chunks: 1, faults: 1, versions: 3 });
  });

  it('shows the versions before a record that does not parse', async () => {
    const { exitCode, stdout } = await fixture.cli(['inspect', '1', '3']);
    expect(exitCode).toBe(4);
    expect(stdout).toContain('position 1 of the list');
    expect(stdout).toMatch(/^ +0 +1 +0 +0 +64 B +\?$/m);
    const report = await inspectJson(['1', '3']);
    expect(report.chunks[0]).toMatchObject({ fault: { code: 'record-malformed' }, versionsTotal: 3 });
    expect(report.chunks[0]?.versions).toHaveLength(1);
  });

  it('says that a file without lists reads as zeros', async () => {
    const { exitCode, stdout } = await fixture.cli(['inspect', '1', '6']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('no chunk has a list');
    expect(await inspectJson(['1', '6'])).toMatchObject({ exitCode: 0, chunks: [], total: { chunks: 0 } });
  });

  it('shows an unlinked inode, and says that nothing works on it', async () => {
    const { exitCode, stdout } = await fixture.cli(['inspect', '1', '5']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('it is unlinked');
  });

  it('says that the inode is in quarantine, or that nobody could tell', async () => {
    const prefix = uniquePrefix('inspect-q');
    const entry = { code: 'list-invalid', reason: 'the list is bent', sinceMs: 0 };
    const store = `redis:${fixture.prefix}`;
    await fixture.redis.hset(`${prefix}:quarantine:${store}`, '1/1', JSON.stringify(entry));
    const told = await fixture.cli(['inspect', '1', '1'], { QUEUE_PREFIX: prefix });
    expect(told.stdout).toContain(
      'in quarantine since 1970-01-01T00:00:00.000Z, nothing works on it: the list is bent',
    );
    const plan = await fixture.cli(['plan', '1', '1', '--json'], { QUEUE_PREFIX: prefix });
    expect(JSON.parse(plan.stdout)).toMatchObject({ quarantine: entry });
    const away = { REDIS_URL: 'redis://127.0.0.1:1', METADATA_URL: fixture.url };
    const unknown = await fixture.cli(['inspect', '1', '1', '--json'], away);
    expect(JSON.parse(unknown.stdout)).toMatchObject({ quarantine: 'unknown' });
  });

  it.each([
    ['a missing file system', ['8', '1'], 4, 'there is no file system 8'],
    ['a missing inode', ['1', '77'], 4, 'inode 1/77 does not exist'],
    ['a directory', ['1', '4'], 4, 'is of type "dir"'],
    ['a chunk without a list', ['1', '1', '--chunk', '1'], 2, '--chunk 1: inode 1/1 has no list for it'],
    ['a chunk that is no number', ['1', '1', '--chunk', 'x'], 2, 'whole number'],
  ])('refuses %s', async (_what, argv, code, message) => {
    const { exitCode, stderr } = await fixture.cli(['inspect', ...argv]);
    expect(exitCode).toBe(code);
    expect(stderr).toContain(message);
  });
});
