/** A scan at port level: killed at every call, with servers away, paused, full, damaged; nothing is lost or queued twice. */
import { describe, expect, test } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import { Boundary, CALL_ENDINGS, ProcessGone } from '../sim/boundary.ts';
import { FS, flaky, ScanWorld } from './world.ts';

const FILES = 30;

/** Every third file is worth it; the higher the id, the more it is worth. */
function filled(files = FILES): { readonly world: ScanWorld; readonly worthIt: readonly bigint[] } {
  const world = new ScanWorld();
  const worthIt: bigint[] = [];
  for (let n = 0; n < files; n++) {
    const id = BigInt(n + 1);
    world.file(id, n % 3 === 0 ? 4 + (n % 12) : 2);
    if (n % 3 === 0) worthIt.push(id);
  }
  return { world, worthIt };
}

const sorted = (ids: Iterable<bigint>) => [...ids].sort((a, b) => (a < b ? -1 : 1));

describe('a scan', () => {
  test('queues what is worth a run, the best first, and keeps what it found', async () => {
    const { world, worthIt } = filled();
    const report = await world.scan();
    expect(sorted(world.waiting.keys())).toEqual(worthIt);
    expect(report).toMatchObject({ ending: 'done', queued: worthIt.length, restarts: 0, resumedInodes: 0 });
    expect(report.backlog).toMatchObject({ inodes: FILES, inodesWorthIt: 10, chunksWorthIt: 10, unreadable: 0 });
    // 4, 7, 10, 13, 4, … versions of one block become one object each.
    const versions = worthIt.map((id) => 4 + (Number(id - 1n) % 12));
    expect(report.backlog.getsSaved).toBe(versions.reduce((sum, count) => sum + count - 1, 0));
    expect(world.result).toMatchObject({ backlog: report.backlog, by: 'test' });
    expect(world.position).toBeNull();
  });

  test('a second scan finds the same and queues nothing that is in flight', async () => {
    const { world } = filled();
    const first = await world.scan();
    const second = await world.scan();
    expect(second.backlog).toEqual(first.backlog);
    expect(second.queued).toBe(0);
  });

  test('of a file system whose bucket belongs to another queues nothing; a dry one does not ask', async () => {
    const { world } = filled();
    const owned = new CompactError('another has it', { kind: 'halt', code: 'bucket-owned' });
    const asked: string[] = [];
    world.refuseOther = ({ bucket }) => {
      asked.push(bucket);
      throw owned;
    };
    await expect(world.scan()).rejects.toBe(owned);
    expect([world.waiting.size, world.position, world.result]).toEqual([0, null, null]);
    expect((await world.scan({ dryRun: true })).backlog.inodesWorthIt).toBe(10);
    expect(asked).toEqual([FS.bucket]);
  });

  test('with a full buffer all is queued all the same, in a good order', async () => {
    const { world, worthIt } = filled(300);
    const report = await world.scan({ heldMax: 5 });
    expect(report.queued).toBe(worthIt.length);
    expect(sorted(world.waiting.keys())).toEqual(worthIt);
  });

  test('dry: the same backlog, nothing queued, nothing kept; the worst come first', async () => {
    const { world } = filled();
    const report = await world.scan({ dryRun: true, top: 3 });
    expect([world.waiting.size, world.position, world.result]).toEqual([0, null, null]);
    expect(report.backlog.inodesWorthIt).toBe(10);
    expect(report.top).toHaveLength(3);
    const scores = report.top.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    const all = (await world.scan({ dryRun: true, top: 100 })).top;
    expect(all).toHaveLength(10);
    expect(report.top).toEqual(all.slice(0, 3));
  });

  test('a file system that does not exist', async () => {
    const world = new ScanWorld();
    world.metadata.filesystems.clear();
    await expect(world.scan()).rejects.toMatchObject({ kind: 'halt', code: 'filesystem-missing' });
  });

  test('leaves the quarantined alone, and counts what cannot be planned', async () => {
    const { world, worthIt } = filled();
    world.quarantined.add(1n);
    // Beyond its chunk: the format does not allow it.
    world.file(2n, 9);
    const bad = world.metadata.at({ fsId: 7, inodeId: 2n })?.lists.get(0) ?? [];
    world.metadata.at({ fsId: 7, inodeId: 2n })?.lists.set(
      0,
      bad.map((version) => ({ ...version, offset: 63, len: 5 })),
    );
    const unreadable: bigint[] = [];
    const report = await world.scan({ onUnreadable: ({ inodeId }) => unreadable.push(inodeId) });
    expect(report.backlog).toMatchObject({ inodes: FILES, unreadable: 1, quarantined: 1, inodesWorthIt: 9 });
    expect(unreadable).toEqual([2n]);
    expect(sorted(world.waiting.keys())).toEqual(worthIt.filter((id) => id !== 1n));
  });
});

describe('a queue that is full', () => {
  test('is never fed beyond its depth, and fed again as it is worked off', async () => {
    const { world, worthIt } = filled(90);
    let told = 0;
    const report = await world.scan({
      queueMax: 4,
      onProgress: ({ walking }) => {
        if (!walking && ++told > 3) world.work(2);
      },
    });
    expect(report).toMatchObject({ ending: 'done', queued: worthIt.length });
    expect(world.deepest).toBe(4);
    expect(sorted(world.order)).toEqual(worthIt);
  });

  test('a signal ends the waiting; the next scan goes on where all was queued', async () => {
    const { world, worthIt } = filled(90);
    const ended = new AbortController();
    const report = await world.scan({
      queueMax: 4,
      heldMax: 5,
      signal: ended.signal,
      onProgress: ({ queued }) => queued === 4 && ended.abort(),
    });
    expect(report.ending).toBe('stopped');
    expect(world.result).toBeNull();
    const next = await world.scan();
    expect(next.ending).toBe('done');
    expect(next.backlog).toMatchObject({ inodes: 90, inodesWorthIt: 30 });
    expect(sorted(world.waiting.keys())).toEqual(worthIt);
  });
});

test.each([true, false])(
  'a scan that ends early keeps its place, unless somebody else has taken it over: %s',
  async (isLost) => {
    const { world } = filled(90);
    const ended = new AbortController();
    const report = await world.scan({
      heldMax: 5,
      signal: ended.signal,
      ...(isLost && { lost: ended.signal }),
      onProgress: ({ queued }) => queued > 0 && ended.abort(),
    });
    expect(report.ending).toBe('stopped');
    expect(world.position === null).toBe(isLost);
  },
);

describe('a paused file system', () => {
  test('is not scanned', async () => {
    const { world } = filled();
    world.paused = true;
    expect(await world.scan()).toMatchObject({ ending: 'paused', queued: 0 });
    expect(world.waiting.size).toBe(0);
    // Looking changes nothing, and is allowed.
    expect(await world.scan({ dryRun: true })).toMatchObject({ ending: 'done' });
  });

  test('in the middle: the scan ends, and a later one does the rest', async () => {
    const { world, worthIt } = filled(90);
    const report = await world.scan({
      queueMax: 4,
      onProgress: ({ queued }) => {
        world.paused = queued >= 4;
      },
    });
    expect(report.ending).toBe('paused');
    world.paused = false;
    expect((await world.scan()).ending).toBe('done');
    expect(sorted(world.waiting.keys())).toEqual(worthIt);
  });
});

describe('a scan that dies', () => {
  test.each(CALL_ENDINGS)(
    'at any call (%s): the next one does the rest; nothing is lost or queued twice',
    async (ending) => {
      const counting = new Boundary();
      await filled().world.scan({ heldMax: 5, concurrency: 1 }, counting);
      expect(counting.crossings.length).toBeGreaterThan(20);
      for (let at = 0; at < counting.crossings.length; at++) {
        const { world, worthIt } = filled();
        await world.scan({ heldMax: 5, concurrency: 1 }, new Boundary({ at, ending })).then(
          ({ ending: end }) => expect(end).toBe('done'),
          (error: unknown) => expect(error instanceof ProcessGone || error instanceof CompactError).toBe(true),
        );
        const next = await world.scan({ heldMax: 5 });
        expect(next.ending).toBe('done');
        expect(next.backlog, `call ${at}`).toMatchObject({ inodes: FILES, inodesWorthIt: 10 });
        expect(sorted(world.order)).toEqual(worthIt);
        expect(world.position).toBeNull();
      }
    },
  );

  test('goes on behind what is done, not from the start', async () => {
    const { world } = filled(90);
    let looked = 0;
    const crossing = flaky((name) => name === 'metadata.readLists' && ++looked > 60);
    await expect(world.scan({ concurrency: 1 }, crossing)).rejects.toMatchObject({ code: 'metadata-unavailable' });
    expect(world.position?.backlog.inodes).toBeGreaterThan(20);
    const next = await world.scan();
    expect(next.resumedInodes).toBeGreaterThan(20);
    expect(next.backlog.inodes).toBe(90);
    expect((await filled(90).world.scan()).backlog).toEqual(next.backlog);
  });

  test('from the start where that is asked for, or the position is a day old', async () => {
    const { world } = filled(90);
    const crossing = () => {
      let looked = 0;
      return flaky((name) => name === 'metadata.readLists' && ++looked > 60);
    };
    await world.scan({ concurrency: 1 }, crossing()).catch(() => undefined);
    expect(await world.scan({ resume: false })).toMatchObject({ resumedInodes: 0, backlog: { inodes: 90 } });
    await world.scan({ concurrency: 1 }, crossing()).catch(() => undefined);
    world.nowMs += 25 * 3_600_000;
    expect(await world.scan()).toMatchObject({ resumedInodes: 0, backlog: { inodes: 90 } });
  });
});

describe('servers that are away', () => {
  test('for a while: the scan waits, says so, and loses nothing', async () => {
    const { world, worthIt } = filled(90);
    const waits: string[] = [];
    // Each kind of call fails twice, at its first and its fifth time.
    const report = await world.scan(
      { patienceMs: 60_000, onWait: ({ message }) => waits.push(message) },
      flaky((name, nth) => name !== 'metadata.getFilesystem' && (nth === 0 || nth === 4)),
    );
    expect(report.ending).toBe('done');
    expect(report.backlog).toMatchObject({ inodes: 90, inodesWorthIt: 30 });
    expect(sorted(world.order)).toEqual(worthIt);
    for (const name of ['inodePages', 'readLists', 'enqueueBest', 'waitingCount']) {
      expect(
        waits.some((message) => message.includes(name)),
        name,
      ).toBe(true);
    }
  });

  test.each(['metadata.inodePages', 'metadata.readLists', 'ledger.enqueueBest', 'ledger.isPaused', 'ledger.among'])(
    'for good (%s): a clear error within the patience',
    async (away) => {
      const { world } = filled();
      const scan = world.scan(
        { patienceMs: 500 },
        flaky((name) => name === away),
      );
      await expect(scan).rejects.toMatchObject({ kind: 'retry', message: expect.stringContaining(away) });
    },
  );

  test('a metadata service that came back as another: the walk begins anew and counts nothing twice', async () => {
    const { world, worthIt } = filled(90);
    let pages = 0;
    const crossing = flaky((name) => {
      if (name === 'metadata.inodePages' && ++pages === 6) {
        world.metadata.incarnation++;
        return true;
      }
      return false;
    });
    const report = await world.scan({ patienceMs: 10_000 }, crossing);
    expect(report).toMatchObject({ ending: 'done', restarts: 1, backlog: { inodes: 90, inodesWorthIt: 30 } });
    expect(sorted(world.order)).toEqual(worthIt);
  });

  test('one that is never the same twice: an end, not a loop', async () => {
    const { world } = filled(90);
    let pages = 0;
    const crossing = flaky((name) => {
      if (name !== 'metadata.inodePages' || ++pages % 3 !== 0) return false;
      world.metadata.incarnation++;
      return true;
    });
    await expect(world.scan({ patienceMs: 60_000 }, crossing)).rejects.toThrow(/begin anew/);
  });
});
