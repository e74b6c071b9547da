/**
 * The walk over a file system's files, on the stand-in cluster: everything once, from any cursor, whatever the names and
 * however large a directory; and what is no file to compact left out.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CurvefsMetadata } from '../../../src/metadata/curvefs/curvefs.ts';
import { CURSOR_LENGTH_MAX, type InodePage } from '../../../src/metadata/port.ts';
import { parseCurvefsUrl } from '../../../src/urls/curvefs.ts';
import { CurveCluster } from './cluster/cluster.ts';
import { ROOT_INODE } from './cluster/state.ts';

const FS = 1;
const DIRECTORY = 1;
const SYMLINK = 3;

let cluster: CurveCluster;
let store: CurvefsMetadata;

beforeEach(async () => {
  cluster = await CurveCluster.start();
  cluster.addFilesystem({ fsId: FS });
  store = new CurvefsMetadata({ mds: parseCurvefsUrl(cluster.url), timeoutMs: 20_000 });
});
afterEach(async () => {
  await store.close();
  await cluster.close();
});

async function pages(cursor?: string): Promise<InodePage[]> {
  const found: InodePage[] = [];
  for await (const page of store.inodePages(FS, cursor)) found.push(page);
  return found;
}

function idsOf(found: readonly InodePage[]): bigint[] {
  return found.flatMap((page) => page.keys.map(({ inodeId }) => inodeId));
}

/** A tree with files on every level; returns the ids of its files. */
function plant(depth: number, width: number, parent = ROOT_INODE): bigint[] {
  const files: bigint[] = [];
  for (let n = 0; n < width; n++) {
    files.push(cluster.state.create(FS, parent, `file-${n}`));
    if (depth === 0) continue;
    const directory = cluster.state.create(FS, parent, `dir-${n}`, { type: DIRECTORY });
    files.push(...plant(depth - 1, width, directory));
  }
  return files;
}

const sorted = (ids: Iterable<bigint>): bigint[] => [...new Set(ids)].sort((a, b) => (a < b ? -1 : 1));

describe('the walk', () => {
  it('finds every file of a tree once, and ends with a null cursor', async () => {
    const files = plant(3, 4);
    const found = await pages();
    expect(idsOf(found)).toHaveLength(files.length);
    expect(sorted(idsOf(found))).toEqual(sorted(files));
    expect(found.at(-1)?.cursor).toBeNull();
    expect(found.slice(0, -1).every((page) => page.cursor !== null && !page.restarted)).toBe(true);
  });

  it('goes through directories of many pages', async () => {
    const directory = cluster.state.create(FS, ROOT_INODE, 'large', { type: DIRECTORY });
    const files = Array.from({ length: 4_321 }, (_, n) => cluster.state.create(FS, directory, `f${n}`));
    const found = await pages();
    expect(sorted(idsOf(found))).toEqual(sorted(files));
    expect(found.length).toBeGreaterThan(5);
    expect(Math.max(...found.map((page) => page.keys.length))).toBeLessThanOrEqual(1_000);
  });

  it('together with a walk from any cursor sees everything', async () => {
    const files = plant(3, 3);
    const directory = cluster.state.create(FS, ROOT_INODE, 'e-large', { type: DIRECTORY });
    for (let n = 0; n < 2_500; n++) {
      files.push(cluster.state.create(FS, directory, `f${n}`));
      if (n % 500 === 7) files.push(...plant(1, 2, cluster.state.create(FS, directory, `d${n}`, { type: DIRECTORY })));
    }
    const all = await pages();
    for (const [n, { cursor }] of all.entries()) {
      if (cursor === null) continue;
      const rest = await pages(cursor);
      expect(rest[0]?.restarted).toBe(false);
      expect(sorted([...idsOf(all.slice(0, n + 1)), ...idsOf(rest)]), `from ${cursor}`).toEqual(sorted(files));
    }
    const last = await pages(all.at(-2)?.cursor ?? undefined);
    expect(idsOf(last).length).toBeLessThan(files.length / 2);
  });

  it('keeps its cursor short in deep trees, and still goes on there', async () => {
    const files: bigint[] = [];
    let parent = ROOT_INODE;
    for (let n = 0; n < 60; n++) {
      files.push(cluster.state.create(FS, parent, `a-file-${n}`));
      parent = cluster.state.create(FS, parent, `directory-with-a-rather-long-name-${'x'.repeat(180)}`, {
        type: DIRECTORY,
      });
    }
    const all = await pages();
    expect(Math.max(...all.map(({ cursor }) => cursor?.length ?? 0))).toBeLessThanOrEqual(CURSOR_LENGTH_MAX);
    const rest = await pages(all[40]?.cursor ?? undefined);
    expect(sorted([...idsOf(all.slice(0, 41)), ...idsOf(rest)])).toEqual(sorted(files));
    expect(rest[0]?.restarted).toBe(false);
  });

  it.each(['', 'c1', 'r1/0/0', 'c1/7:x', 'c1/1', 'c1/1:%E0%A4%A', `c1/1:${'x'.repeat(CURSOR_LENGTH_MAX)}`])(
    'begins anew with a cursor that is none of its own: %s',
    async (cursor) => {
      const files = plant(1, 2);
      const found = await pages(cursor);
      expect(found[0]?.restarted).toBe(true);
      expect(sorted(idsOf(found))).toEqual(sorted(files));
    },
  );

  it('leaves out what is no file in S3, what is unlinked and what is being deleted; hard links come once', async () => {
    const { state } = cluster;
    const file = state.create(FS, ROOT_INODE, 'file');
    const directory = state.create(FS, ROOT_INODE, 'dir', { type: DIRECTORY });
    const linked = state.create(FS, ROOT_INODE, 'linked', { nlink: 3 });
    for (const [parentInodeId, name] of [
      [ROOT_INODE, 'other-name'],
      [directory, 'third-name'],
    ] as const) {
      state.addEntry(FS, { parentInodeId, name, inodeId: linked });
    }
    state.create(FS, ROOT_INODE, 'symlink', { type: SYMLINK });
    state.create(FS, ROOT_INODE, 'unlinked', { nlink: 0 });
    state.addEntry(FS, { parentInodeId: ROOT_INODE, name: 'gone', inodeId: 77_777n });
    expect(idsOf(await pages()).toSorted()).toEqual([file, linked].toSorted());
  });

  it('asks the servers again where one has to be redirected, is overloaded, or a name is locked', async () => {
    const files = plant(2, 3);
    const METHOD = { method: 'ListDentry', times: 2 };
    cluster.faults.add({ ...METHOD, instead: { status: 9 } });
    cluster.faults.add({ ...METHOD, skip: 3, instead: { status: 10 } });
    cluster.faults.add({ ...METHOD, skip: 5, instead: { status: 30 } });
    cluster.faults.add({ ...METHOD, skip: 7, instead: 'cut' });
    expect(sorted(idsOf(await pages()))).toEqual(sorted(files));
    expect(cluster.faults.struck).toBe(8);
  });

  it('of a file system that does not exist is empty', async () => {
    const found: InodePage[] = [];
    for await (const page of store.inodePages(404)) found.push(page);
    expect(found).toEqual([{ keys: [], cursor: null, restarted: false }]);
  });
});
