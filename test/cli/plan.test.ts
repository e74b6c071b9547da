/**
 * `s3compact plan` against real Redis: what it shows, what its JSON holds, how it ends, and that it changes nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MetadataFixture, record } from './fixture.ts';

const fixture = new MetadataFixture();

/** Beyond 2^53: ids must survive as text. */
const BIG_INODE = 18_446_744_073_709_551_615n;

/** Two chunks: the first much fragmented, the second with one covered version and a tail beyond the length. */
const FRAGMENTED = {
  length: 120,
  chunks: {
    0: [record(1, 0, 64), ...Array.from({ length: 12 }, (_, n) => record(10 + n, 16 + n * 2, 1))],
    1: [record(2, 64, 8), record(3, 64, 16), record(4, 112, 16)],
  },
};

beforeAll(async () => {
  await fixture.filesystem(1);
  await fixture.inode(1, { id: BIG_INODE, ...FRAGMENTED });
  await fixture.inode(1, { id: 2, length: 64, chunks: { 0: [record(1, 0, 64)] } });
  await fixture.inode(1, { id: 3, length: 0, type: 'dir' });
  await fixture.inode(1, { id: 4, length: 64, nlink: 0, chunks: { 0: [record(1, 0, 64)] } });
  await fixture.inode(1, { id: 5, length: 64, chunks: { 0: [record(1, 0, 64), record(2, 60, 8)] } });
  await fixture.inode(1, { id: 6, length: 64, chunks: { 0: [record(1, 0, 64), '2,0,1,2,3'] } });
  await fixture.inode(1, { id: 7, length: 0 });
  await fixture.filesystem(2, { blockSize: 0 });
});

afterAll(() => fixture.close());

const size = z.number().int().min(0);
const costShape = z.strictObject({ readRequests: size, readBytes: size, writeRequests: size, writeBytes: size });
const gainShape = z.strictObject({
  getsBefore: size,
  getsAfter: size,
  versionsBefore: size,
  versionsAfter: size,
  objectsBefore: size,
  objectsAfter: size,
  storedBytesBefore: size,
  storedBytesAfter: size,
  visibleBytes: size,
});
const outcomeShape = z.enum(['plan', 'nothing', 'over-budget']);
/** The documented shape (`s3compact plan --help`). */
const planShape = z.strictObject({
  fsId: size,
  inodeId: z.string().regex(/^\d+$/),
  changed: z.literal(false),
  quarantine: z.null(),
  outcome: outcomeShape,
  chunksLeft: size,
  cost: costShape,
  gain: gainShape,
  chunks: z.array(
    z.strictObject({
      chunkIndex: size,
      outcome: outcomeShape,
      versionsTotal: size,
      score: z.number().optional(),
      cost: costShape.optional(),
      gain: gainShape.optional(),
      kept: size.optional(),
      merged: z.array(z.strictObject({ offset: size, len: size, blocks: size })).optional(),
      blocksLeft: size.optional(),
      requiredLength: size.optional(),
      waste: z.strictObject({ why: z.enum(['price', 'budget', 'list']), bytesToMove: size }).optional(),
      cheapest: z.strictObject({ bytes: size, requests: size }).optional(),
    }),
  ),
});

async function planJson(argv: readonly string[]): Promise<z.infer<typeof planShape>> {
  const { stdout, stderr } = await fixture.cli(['plan', '--json', ...argv]);
  expect(stderr).toBe('');
  return planShape.parse(JSON.parse(stdout));
}

describe('s3compact plan', () => {
  it('draws each chunk before and after, with cost, gain and total, and changes nothing', async () => {
    const before = await fixture.dump();
    const { exitCode, stdout, stderr } = await fixture.cli([
      'plan',
      '1',
      String(BIG_INODE),
      '--fragment-threshold',
      '5',
    ]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('chunk 0: 64 B in 4 blocks of 16 B');
    expect(stdout).toMatch(/ 1 │a?[░▒b-m].*│ +\d+ → │A+│ +1\n/);
    expect(stdout).toMatch(/GETs of a full read +\d+ +\d+ +\d+/);
    expect(stdout).toMatch(/stored \/ visible +\d\.\d\d +\d\.\d\d/);
    expect(stdout).toContain('one run compacts 2 chunks');
    expect(stdout).toContain('bytes beyond the length 120 are dropped');
    expect(stdout).toContain('Nothing was changed');
    expect(stdout).toContain(`s3compact inode 1 ${BIG_INODE}`);
    expect(await fixture.dump()).toEqual(before);
  });

  it('with --json holds exact numbers, ids as text, best chunk first, in the documented shape', async () => {
    const argv = ['1', String(BIG_INODE), '--fragment-threshold', '5', '--storage-price', '0'];
    const report = await planJson(argv);
    expect(report).toMatchObject({ fsId: 1, inodeId: String(BIG_INODE), outcome: 'plan', chunksLeft: 0 });
    expect(report.chunks.map((chunk) => chunk.outcome)).toEqual(['plan', 'plan']);
    expect(report.chunks.map((chunk) => chunk.chunkIndex).sort()).toEqual([0, 1]);
    const scores = report.chunks.map((chunk) => chunk.score ?? 0);
    expect(scores[0]).toBeGreaterThanOrEqual(scores[1] ?? 0);
    const tail = report.chunks.find((chunk) => chunk.chunkIndex === 1);
    expect(tail).toMatchObject({ requiredLength: 120, kept: 2, merged: [], cost: { writeRequests: 0 } });
    const fragmented = report.chunks.find((chunk) => chunk.chunkIndex === 0);
    // Two blocks of 16 and 8 pieces: one of bytes 16-31, one of 32-47; the rest of version 1 is kept in two parts.
    expect(fragmented).toMatchObject({ merged: [{ offset: 16, len: 32, blocks: 2 }], kept: 2, versionsTotal: 13 });
    expect(report.cost.writeRequests).toBe(2);
    expect(report.gain.getsBefore - report.gain.getsAfter).toBeGreaterThan(20);
  });

  it('leaves, as a run does, what was written lately by the clock of the queue', async () => {
    const pieces = Array.from({ length: 8 }, (_, n) => record(n + 1, 8 * n, 8));
    await fixture.inode(1, { id: 10, length: 64, chunks: { 0: pieces } });
    const { uuid } = await fixture.redis.hgetall(`${fixture.prefix}:{1}`);
    const notes = `${fixture.prefix}-queue:ids:${uuid}`;
    const outcome = async () => {
      const argv = ['plan', '1', '10', '--json', '--aggressiveness', '24'];
      return (
        JSON.parse((await fixture.cli(argv, { QUEUE_PREFIX: `${fixture.prefix}-queue` })).stdout) as {
          readonly outcome: string;
        }
      ).outcome;
    };
    expect(await outcome()).toBe('plan');
    expect(await fixture.redis.exists(notes)).toBe(0);
    const afterMs = Date.now() - 3_600_000;
    await fixture.redis.rpush(notes, `${afterMs} 7`);
    expect(await outcome()).toBe('nothing');
    const env = { QUEUE_PREFIX: `${fixture.prefix}-queue` };
    const argv = ['plan', '1', '10', '--aggressiveness', '24'];
    expect(JSON.parse((await fixture.cli([...argv, '--json'], env)).stdout)).toMatchObject({
      resting: { chunks: 1, afterMs },
    });
    const { stdout } = await fixture.cli(argv, env);
    expect(stdout).toContain('inode 1/10: nothing to do yet');
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      `1 chunk is worth it once nobody has written there for 4 minutes; it was written or merged after ${new Date(afterMs).toISOString().slice(0, 19)}Z: run "s3compact inode" now, and once more 5 minutes later`,
    );
    // The way out that the answer names.
    expect((await fixture.cli(['plan', '1', '10', '--aggressiveness', '1GiB'], env)).stdout).toContain(
      'one run compacts 1 chunk',
    );
    await fixture.redis.rpush(notes, `${Date.now() - 3_000_000} 8`);
    expect(await outcome()).toBe('plan');
    await fixture.redis.del(notes);
  });

  it('plans within the budget of a run: chunks, requests, bytes', async () => {
    const one = await planJson(['1', String(BIG_INODE), '--fragment-threshold', '5', '--max-chunks', '1']);
    expect(one).toMatchObject({ chunksLeft: 1 });
    expect(one.chunks).toHaveLength(1);
    const few = await planJson(['1', String(BIG_INODE), '--fragment-threshold', '5', '--max-requests', '12']);
    expect(few.cost.readRequests + few.cost.writeRequests).toBeLessThanOrEqual(12);
    expect(few.chunksLeft).toBe(1);
  });

  it('says so when not even one block fits the budget', async () => {
    const argv = ['1', '8', '--fragment-threshold', '1', '--max-bytes', '8'];
    await fixture.inode(1, { id: 8, length: 64, chunks: { 0: [record(1, 0, 16), record(2, 4, 4)] } });
    const text = await fixture.cli(['plan', ...argv]);
    expect(text.exitCode).toBe(2);
    expect(text.stdout).toContain('over budget: one block takes at least');
    expect(text.stdout).toContain('8 B and 10,000 requests');
    expect(text.stdout).toContain('Nothing was changed');
    expect(await planJson(argv)).toMatchObject({ outcome: 'over-budget', chunksLeft: 0 });
  });

  it('says why more stays stored than is visible, and what it would take', async () => {
    // A block of which a reader sees the first two bytes and the last.
    const chunks = { 0: [record(1, 0, 16), record(2, 2, 13), '3,0,2,13,13,1'] };
    await fixture.inode(1, { id: 9, length: 16, chunks });
    const argv = ['1', '9', '--fragment-threshold', '1', '--aggressiveness', '0'];
    const free = await planJson([...argv, '--storage-price', '0']);
    expect(free.chunks[0]).toMatchObject({ gain: { storedBytesAfter: 16, visibleBytes: 3 } });
    expect(free.chunks[0]?.waste).toEqual({ why: 'price', bytesToMove: 6 });
    const text = await fixture.cli(['plan', ...argv, '--storage-price', '0']);
    expect(text.stdout).toContain('stay at 5.33 times the visible ones, since stored bytes cost nothing');
    const priced = await planJson(argv);
    expect(priced.chunks[0]).toMatchObject({ gain: { storedBytesAfter: 3, visibleBytes: 3 } });
    expect(priced.chunks[0]).not.toHaveProperty('waste');
  });

  it('has nothing to do for a file in order, and for one without chunks', async () => {
    for (const inode of ['2', '7']) {
      const { exitCode, stdout } = await fixture.cli(['plan', '1', inode]);
      expect(exitCode).toBe(0);
      expect(stdout).toContain(`inode 1/${inode}: nothing to do`);
      expect(await planJson(['1', inode])).toMatchObject({ outcome: 'nothing', chunks: [] });
    }
  });

  it('draws at most --limit chunks and says what it left out', async () => {
    const argv = ['plan', '1', String(BIG_INODE), '--fragment-threshold', '5', '--limit', '1'];
    const { stdout } = await fixture.cli(argv);
    expect(stdout.match(/^chunk \d+: /gm)).toHaveLength(1);
    expect(stdout).toContain('1 more chunk of this plan not drawn');
    expect(stdout).toMatch(/stored \/ visible +\d\.\d\d +\d\.\d\d/);
    expect(stdout).toContain('one run compacts 2 chunks');
  });

  it.each([
    ['a missing file system', '9 1', 'there is no file system 9', 'filesystem-missing'],
    ['a file system that does not parse', '2 1', 'blockSize', 'filesystem-malformed'],
    ['a missing inode', '1 99', 'inode 1/99 does not exist', 'inode-missing'],
    ['a directory', '1 3', 'is of type "dir"', 'inode-not-s3'],
    ['an unlinked inode', '1 4', 'is unlinked', 'inode-unlinked'],
    ['a version across the chunk border', '1 5', 'crosses the border', 'list-invalid'],
    ['a record that does not parse', '1 6', '2,0,1,2,3', 'record-malformed'],
  ])('ends with 4 and a clear message for %s', async (_what, where, message, code) => {
    const { exitCode, stdout, stderr } = await fixture.cli(['plan', ...where.split(' ')]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    const json = await fixture.cli(['plan', '--json', ...where.split(' ')]);
    expect(json).toMatchObject({ exitCode: 4, stdout: '' });
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code, kind: 'halt', exitCode: 4 } });
  });

  it.each([
    ['text as a file system', ['plan', 'one', '1'], 'whole number'],
    ['an inode of 2^64', ['plan', '1', '18446744073709551616'], 'below 2^64'],
    ['a leading zero', ['plan', '1', '007'], 'plain decimal'],
    ['a missing argument', ['plan', '1'], 'missing required argument'],
    ['one argument too many', ['plan', '1', '2', '3'], 'too many arguments'],
    ['an unknown option', ['plan', '1', '2', '--fast'], "unknown option '--fast'"],
    ['an unknown command', ['plane', '1', '2'], "unknown command 'plane'"],
    ['a setting out of range', ['plan', '1', '2', '--max-chunks', '0'], '--max-chunks = "0" (flag) is too small'],
  ])('ends with 2 for %s', async (_what, argv, message) => {
    const { exitCode, stdout, stderr } = await fixture.cli(argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('ends with 3 when Redis is down, without the password', async () => {
    const env = { METADATA_URL: 'redis://user:hunter2@127.0.0.1:1', S3COMPACT_REDIS_TIMEOUT: '10s' };
    const { exitCode, stdout, stderr } = await fixture.cli(['plan', '1', '2'], env);
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
    expect(stderr).toContain('127.0.0.1:1');
    expect(stderr).not.toContain('hunter2');
    const debug = await fixture.cli(['plan', '1', '2', '--log-level', 'debug'], env);
    expect(debug.stderr).toContain('    at ');
    expect(debug.stderr).not.toContain('hunter2');
  });
});
