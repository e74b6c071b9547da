/**
 * The product on a CurveFS cluster from end to end: real files' chunk lists, written over sockets by a client that shares
 * no code with `src/`, compacted through the queue's Redis and a real S3 server, read back byte for byte, and reaped until
 * the bucket holds exactly what the lists reference (I1, I7, I12); while leaders move, answers are lost and MDS die.
 */
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadCase } from '../kit/cases/load.ts';
import { fullReadGets } from '../kit/oracle/reader.ts';
import { REDIRECTED } from '../metadata/curvefs/cluster/metaserver.ts';
import { RECYCLE_INODE, ROOT_INODE } from '../metadata/curvefs/cluster/state.ts';
import { eventually } from '../queue/world.ts';
import { CurveE2eWorld } from './curvefs-world.ts';

const FLAGS = ['--max-chunks', '100', '--max-requests', '100000', '--fragment-threshold', '3'];
/** What waiting does is shown on the virtual clock (test/compact); no attempt is under way here. */
const GRACE_MS = 2;
/** Each inline run waits for its second look at the file. */
vi.setConfig({ testTimeout: 240_000 });

let world: CurveE2eWorld;

beforeEach(async () => {
  world = await CurveE2eWorld.open('curvefs');
});
afterEach(async () => {
  const { violations } = world.cluster.state;
  await world.close();
  expect(violations).toEqual([]);
});

async function store(name: string): Promise<bigint> {
  const inodeId = await world.writer.createInode();
  await world.writer.append(inodeId, loadCase(name));
  return inodeId;
}

async function expectWhole(inodeId: bigint): Promise<void> {
  expect(await world.writer.readFault(inodeId)).toBeNull();
  await world.reapAll(GRACE_MS);
  expect(await world.writer.bucketNames()).toEqual(await world.writer.referencedNames([inodeId]));
  expect(await world.writer.readFault(inodeId)).toBeNull();
}

/** No chunk list was replaced twice by one attempt, and every run tells what it did. */
function expectNotDoubled(chunksCompacted: number): void {
  const { commits } = world.cluster.state;
  expect(commits.length).toBe(chunksCompacted);
  const merged = commits.flatMap(({ add }) =>
    [...add.values()].map((list) => list.find(({ compaction }) => compaction > 0n)?.compaction),
  );
  const known = merged.filter((compaction) => compaction !== undefined);
  expect(new Set(known).size).toBe(known.length);
}

describe('a real file', () => {
  it.each(['tar-append.mid', 'zip-grow.mid'])('%s', async (name) => {
    const inodeId = await store(name);
    const before = await world.writer.state(inodeId);
    const reports = await world.compactFully(inodeId, FLAGS);
    expect(await world.writer.readFault(inodeId)).toBeNull();
    // A client that holds the old list reads on.
    expect(await world.writer.readFault(inodeId, before)).toBeNull();
    expect(fullReadGets(await world.writer.state(inodeId))).toBeLessThan(fullReadGets(before));
    expectNotDoubled(reports.reduce((sum, { chunksCompacted }) => sum + chunksCompacted, 0));
    expect(await world.compactInline(inodeId, FLAGS)).toMatchObject({ outcome: 'nothing' });
    await expectWhole(inodeId);
  });

  it('goes on with the second half of its life on top of what was compacted', async () => {
    const [file, mid] = [loadCase('tar-append'), loadCase('tar-append.mid')];
    const inodeId = await store('tar-append.mid');
    await world.compactFully(inodeId, FLAGS);
    const rest = [...file.lists].map(
      ([index, list]) => [index, list.slice(mid.lists.get(index)?.length ?? 0)] as const,
    );
    await world.writer.append(inodeId, { lists: new Map(rest), length: file.length });
    expect(await world.writer.readFault(inodeId)).toBeNull();
    await world.compactFully(inodeId, FLAGS);
    await expectWhole(inodeId);
  });
});

describe('while the cluster is in trouble', () => {
  it('leaders move, answers are lost after the commit, servers are busy: no attempt is lost or doubled', async () => {
    const { cluster } = world;
    const inodeId = await world.writer.createInode();
    // Each overlaps the one before it in its chunk: a plan that fills holes would store more than before.
    for (let n = 0; n < 48; n++) await world.writer.write(inodeId, (n % 6) * 65_536 + Math.floor(n / 6) * 2_000, 3_000);
    const method = 'GetOrModifyS3ChunkInfo';
    cluster.faults.add({ method, reply: { status: REDIRECTED } });
    cluster.faults.add({ method, skip: 1, reply: 'cut' });
    cluster.faults.add({ method, skip: 2, instead: { status: 10 } });
    cluster.faults.add({ method: 'GetInode', times: 3, skip: 1, instead: { error: 1011 } });
    const moving = setInterval(() => cluster.moveAllLeaders(), 200);
    let told = 0;
    try {
      const small = [...FLAGS.slice(0, 1), '1', ...FLAGS.slice(2)];
      await eventually('nothing is left to do', async () => {
        const report = await world.compactInline(inodeId, small);
        told += report.chunksCompacted;
        // A leader that steps down leaves the fate of a commit open: that run ends as one to be tried again.
        expect(['done', 'later']).toContain(report.ending);
        return report.outcome === 'nothing';
      });
    } finally {
      clearInterval(moving);
    }
    expectNotDoubled(told);
    expect(told).toBeGreaterThan(3);
    expect(cluster.faults.struck).toBe(6);
    await expectWhole(inodeId);
  });

  it('the MDS dies and another one is promoted', async () => {
    const inodeId = await store('tar-append.mid');
    await world.cluster.killMds();
    const compacting = world.compactFully(inodeId, FLAGS);
    await world.cluster.promoteMds();
    await compacting;
    await expectWhole(inodeId);
  });
});

describe('commands that walk the whole file system', () => {
  /** Fragmented, named twice in a directory of its own; a second one in the recycle bin; one that is unlinked. */
  async function tree(): Promise<readonly [bigint, bigint]> {
    const { state } = world.cluster;
    const [linked, recycled, unlinked] = [
      await store('tar-append.mid'),
      await world.writer.createInode(),
      77n,
    ] as const;
    for (let n = 0; n < 30; n++) await world.writer.write(recycled, n * 700, 1_000);
    const directory = state.create(1, ROOT_INODE, 'logs', { type: 1 });
    state.addEntry(1, { parentInodeId: directory, name: 'today', inodeId: linked });
    const inode = state.tables.inode({ fsId: 1, inodeId: linked });
    if (inode === undefined) throw new Error('it was just made');
    state.tables.put({ fsId: 1, inodeId: linked }, { ...inode, nlink: 2 });
    state.dentries.remove(1, ROOT_INODE, 'file-1');
    state.addEntry(1, { parentInodeId: RECYCLE_INODE, name: '1-1-file', inodeId: recycled });
    state.putInode({ fsId: 1, inodeId: unlinked }, { nlink: 0, dtime: 1n });
    state.addEntry(1, { parentInodeId: ROOT_INODE, name: 'going', inodeId: unlinked });
    return [linked, recycled];
  }

  it('scan queues each fragmented file once, also from the recycle bin; the queue is worked off', async () => {
    const inodes = await tree();
    const { exitCode, stdout, stderr } = await world.command(['scan', '1', '--json']);
    expect(exitCode, stderr).toBe(0);
    const jobs = await world.clients.queue.queue.getJobs(['waiting', 'prioritized', 'delayed']);
    expect(jobs, stdout).toHaveLength(2);
    for (const inodeId of inodes) await world.compactFully(inodeId);
    for (const inodeId of inodes) expect(await world.writer.readFault(inodeId)).toBeNull();
  });

  it('verify reads every file, and gc finds the one object that nothing references', async () => {
    const [linked, recycled] = await tree();
    const verified = await world.command(['fsck', '1', '--json']);
    expect(verified.exitCode, verified.stdout + verified.stderr).toBe(0);
    const orphan = `1_${linked}_999_0_0`;
    await world.writer.putObject(orphan, Buffer.from('nobody'));
    const collected = await world.command(['gc', '1', '--json']);
    expect(JSON.parse(collected.stdout)).toMatchObject({ faultsTotal: 0, failures: 0, deleted: { objects: 0 } });
    const referenced = await world.writer.referencedNames([linked, recycled]);
    expect(await world.writer.bucketNames()).toEqual([...referenced, orphan].sort());
  });
});

describe('a worker process', () => {
  it('works for a cluster, with the keys that the MDS keeps, and tells nobody of them', async () => {
    const inodeId = await store('tar-append.mid');
    const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...env } = { ...process.env, ...world.env };
    const worker = world.startWorker({}, env);
    let log = '';
    worker.stderr?.on('data', (text) => (log += String(text)));
    await eventually('a worker is connected', async () => (await world.clients.queue.queue.getWorkersCount()) >= 1);
    const { exitCode, stdout } = await world.command(['inode', '1', `${inodeId}`, '--json']);
    expect(exitCode, stdout).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ending: 'done', outcome: 'compacted' });
    const ended = once(worker, 'exit');
    worker.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    for (const secret of [world.env['AWS_SECRET_ACCESS_KEY'] ?? '', world.env['AWS_ACCESS_KEY_ID'] ?? '']) {
      expect(`${log}${stdout}`).not.toContain(secret);
    }
    expect(await world.writer.readFault(inodeId)).toBeNull();
  });
});
