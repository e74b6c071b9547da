/**
 * Every real file's chunk lists, whatever keeps them: stored for real, compacted, read back byte for byte by a client that
 * shares no code with `src/`, then reaped: the bucket holds exactly what the lists reference (I1, I2, I7, I12). A file that has
 * a state after half of its flushes (`.mid`) is compacted there too, and the second half of its life comes on top.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CaseFile, caseNames, loadCase } from '../kit/cases/load.ts';
import { fullReadGets } from '../kit/oracle/reader.ts';
import type { OracleVersion } from '../kit/oracle/types.ts';
import type { OpenWorld, ProductWorld } from './world.ts';

const FLAGS = ['--max-chunks', '100', '--max-requests', '100000'];
/** One file has 21,000 objects, each stored, and deleted, by a server that shares two cores with everything else. */
const TIMEOUT_MS = 1_200_000;
/** What waiting does is shown elsewhere; no attempt is under way when objects are reaped here. */
const GRACE_MS = 2;
let world: ProductWorld;
const inodes: bigint[] = [];

/** Every final case; its `.mid` state is a stage of the same life. */
const finals = caseNames().filter((name) => !name.endsWith('.mid'));

function midOf(name: string): CaseFile | undefined {
  return caseNames().includes(`${name}.mid`) ? loadCase(`${name}.mid`) : undefined;
}

/** Compacts, and shows that readers of the new list (and the old one) read right, and that a second time does nothing. */
async function compactAndCheck(inodeId: bigint, stage: 'mid' | 'final'): Promise<void> {
  const { writer } = world;
  const before = await writer.state(inodeId);
  const reports = await world.compactFully(inodeId, FLAGS);
  const after = await writer.state(inodeId);
  expect(await writer.readFault(inodeId)).toBeNull();
  if (stage === 'final') expect(await writer.readFault(inodeId, before)).toBeNull();
  if ([...before.lists.values()].some((list) => list.length > 20)) {
    expect(reports.length).toBeGreaterThan(0);
    expect(fullReadGets(after)).toBeLessThan(fullReadGets(before));
  }
  const pending = await world.clients.ledger.queue.getDelayedCount();
  expect(await world.compactInline(inodeId, FLAGS)).toMatchObject({ outcome: 'nothing', chunksLeft: 0 });
  expect(await world.clients.ledger.queue.getDelayedCount()).toBe(pending);
  expect(await world.fenced(inodeId)).toBe(false);
}

function laterVersions(file: CaseFile, mid: CaseFile): Map<number, readonly OracleVersion[]> {
  return new Map([...file.lists].map(([index, list]) => [index, list.slice(mid.lists.get(index)?.length ?? 0)]));
}

/** What `npm test` takes: a file of each kind that is stored, compacted and read in seconds. */
const SMALL = new Set(['aria2-none', 'ext4-image', 'ffmpeg-faststart', 'tar-append', 'zip-grow']);

/** Registers the tests of one kind of metadata, with every file or with the small ones. */
export function testCases(open: OpenWorld, which: 'all' | 'small'): void {
  beforeAll(async () => {
    world = await open('cases');
  });
  afterAll(() => world.close());
  it('covers every stored case', () => {
    const mids = caseNames().filter((name) => name.endsWith('.mid'));
    for (const mid of mids) expect(finals).toContain(mid.slice(0, -'.mid'.length));
    expect(finals.length + mids.length).toBe(22);
  });
  testEveryCase(which === 'all' ? finals : finals.filter((name) => SMALL.has(name)));
  testPrefixes(open);
}

function testEveryCase(names: readonly string[]): void {
  describe('every case', () => {
    it.each(names)(
      '%s',
      async (name) => {
        const inodeId = 10_000n + BigInt(inodes.length);
        inodes.push(inodeId);
        const file = loadCase(name);
        const mid = midOf(name);
        await world.writer.createInode(inodeId);
        if (mid !== undefined) {
          await world.writer.append(inodeId, mid);
          await compactAndCheck(inodeId, 'mid');
        }
        await world.writer.append(inodeId, {
          lists: mid === undefined ? file.lists : laterVersions(file, mid),
          length: file.length,
        });
        await compactAndCheck(inodeId, 'final');
      },
      TIMEOUT_MS,
    );

    it(
      'I12: after the reap the bucket holds exactly the objects that the lists reference',
      async () => {
        await world.reapAll(GRACE_MS);
        expect(await world.writer.bucketNames()).toEqual(await world.writer.referencedNames(inodes));
        for (const inodeId of inodes) expect(await world.writer.readFault(inodeId)).toBeNull();
      },
      TIMEOUT_MS,
    );
  });
}

function testPrefixes(open: OpenWorld): void {
  describe.each([1, 2] as const)('object names with prefix %i', (objectPrefix) => {
    it('are the ones that clients look for', async () => {
      const own = await open(`prefix-${objectPrefix}`, { objectPrefix });
      try {
        await own.writer.createInode(2_345_678n);
        await own.writer.append(2_345_678n, loadCase('zip-grow.mid'));
        await own.compactFully(2_345_678n);
        expect(await own.writer.readFault(2_345_678n)).toBeNull();
        await own.reapAll(GRACE_MS);
        expect(await own.writer.bucketNames()).toEqual(await own.writer.referencedNames([2_345_678n]));
      } finally {
        await own.close();
      }
    });
  });
}
