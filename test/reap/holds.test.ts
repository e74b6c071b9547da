/**
 * Holds on a virtual clock and a bucket in memory: what was allowed before is over when a hold is answered, whatever the
 * order of the steps, and what cannot be known deletes nothing (I10).
 */

import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { CompactError } from '../../src/errors.ts';
import { holdNamesBegin, ownerObjectName, parseObjectName } from '../../src/format.ts';
import type { DeletePermit } from '../../src/reap/delete-guard.ts';
import { guardedDelete } from '../../src/reap/delete-guard.ts';
import { HOLDS_MAX, type Hold, printHold } from '../../src/reap/hold-note.ts';
import { Holds, SETTLE_MS } from '../../src/reap/holds.ts';
import { HELD_DELAY_MS, reapRecord } from '../../src/reap/reap-record.ts';
import { ledgerMs, monotonicMs } from '../../src/time.ts';
import { storeFault } from '../objects/memory-store.ts';
import { KEY, World } from '../sim/world.ts';
import { reapDeps, recordIn } from './record.ts';

const NAME = 'old';
const REQUEST = { reason: 'backup', by: 'test' };
const held = { kind: 'retry', code: 'held' };
const doubt = { kind: 'retry', code: 'store-refused' };

/** One clock for all: the ledger's, the host's and the monotonic one, each with an offset of its own. */
class Time {
  nowMs = 1_000_000;
  ledgerOffMs = 0;
  hostOffMs = 0;
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  readonly clock: Clock = {
    monotonicMs: () => monotonicMs(this.nowMs),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
        this.#sleepers.push({ atMs: this.nowMs + ms, wake: resolve });
      }),
  };

  async advance(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const { atMs, wake } of this.#sleepers) if (atMs <= this.nowMs) wake();
    for (let n = 0; n < 50; n++) await Promise.resolve();
  }

  /** Until the work has ended; what it waits for passes at once. */
  async through<T>(work: Promise<T>): Promise<T> {
    let ended = false;
    const settled = work.finally(() => {
      ended = true;
    });
    settled.catch(() => undefined);
    for (let n = 0; n < 2_000 && !ended; n++) await this.advance(500);
    return settled;
  }
}

let world: World;
let time: Time;
let lists: number;
beforeEach(() => {
  world = new World();
  time = new Time();
  lists = 0;
  world.stores.write('world', ownerObjectName(1), Buffer.from('{}'));
  // The owner of another number, which sorts behind.
  world.stores.write('world', ownerObjectName(10), Buffer.from('{}'));
  world.stores.write('world', NAME, Buffer.from('old'));
  world.stores.before = ({ op }) => {
    if (op === 'list') lists++;
  };
});

let ids = 0;
function process(): Holds {
  return new Holds({
    objects: world.stores,
    clock: time.clock,
    nowMs: async () => ledgerMs(time.nowMs + time.ledgerOffMs),
    hostNowMs: () => time.nowMs + time.hostOffMs,
    newId: () => `h${ids++}`,
  });
}

const about = () => ({ filesystem: world.filesystem, keys: [KEY], looks: [], names: [NAME] });
const store = () => world.stores.forFilesystem(world.filesystem);
const remove = (holds: Holds) => guardedDelete(about(), { guards: [holds.guard], store: store() });
const isThere = () => world.stores.bucket('world').has(NAME);

function writeHold(id: string, changes: Partial<Hold> = {}): void {
  const hold: Hold = { fsId: 1, uuid: 'uuid-1', reason: 'backup', by: 'test', sinceMs: 0, ...changes };
  world.stores.write('world', `${holdNamesBegin(1)}${id}`, Buffer.from(printHold(hold)));
}

describe('a hold', () => {
  it('stands from its answer until it is released, for every process', async () => {
    const maker = process();
    const { id } = await time.through(maker.make(world.filesystem, REQUEST));
    expect(parseObjectName(`${holdNamesBegin(1)}${id}`)).toBeNull();
    for (const holds of [maker, process()]) {
      await expect(remove(holds)).rejects.toMatchObject(held);
      await expect(remove(holds)).rejects.toThrow(`hold release 1 ${id}`);
      expect(() => holds.refuseEarly(world.filesystem)).toThrow('is held by');
    }
    expect(isThere()).toBe(true);
    expect(await maker.list(world.filesystem)).toMatchObject([{ id, kind: 'stands', hold: { reason: 'backup' } }]);
    expect(await maker.release(world.filesystem, 'other')).toBe(false);
    expect(await maker.release(world.filesystem, '../1_2_3')).toBe(false);
    expect(await maker.release(world.filesystem, id)).toBe(true);
    await remove(maker);
    expect(isThere()).toBe(false);
  });

  it('is on one file system, not on another number in the bucket', async () => {
    await time.through(process().make(world.filesystem, REQUEST));
    const other = { ...world.filesystem, fsId: 10, uuid: 'uuid-10' };
    await guardedDelete({ ...about(), filesystem: other }, { guards: [process().guard], store: store() });
    expect(isThere()).toBe(false);
  });

  it('answers only when every delete that was allowed before has ended or run out', async () => {
    for (const lateMs of [0, 5_000, 9_999]) {
      world.stores.write('world', NAME, Buffer.from('old'));
      const [reaper, maker] = [process(), process()];
      const permit = (await reaper.guard(about())) as DeletePermit;
      await time.advance(lateMs);
      // Shared with the listing of before: the hold is not seen, and the permit is as old as that.
      let answered = false;
      const making = maker.make(world.filesystem, REQUEST).then((made) => {
        answered = true;
        return made;
      });
      await time.advance(0);
      const second = (await reaper.guard(about())) as DeletePermit;
      while (!answered) {
        const allowed = [permit, second].some((one) => !one.signal.aborted);
        if (allowed) for (const one of [permit, second]) one.check();
        await time.advance(1_000);
      }
      for (const one of [permit, second]) {
        expect(() => one.check()).toThrow('the time in which the delete was allowed is over');
        expect(one.signal.aborted).toBe(true);
      }
      await expect(remove(reaper)).rejects.toMatchObject(held);
      const { id } = await making;
      await maker.release(world.filesystem, id);
    }
  });

  it('waits a minute longer than any permit lasts: a request may be on its way', async () => {
    const reaper = process();
    const permit = (await reaper.guard(about())) as DeletePermit;
    const beganMs = time.nowMs;
    const making = process().make(world.filesystem, REQUEST);
    let overMs: number | undefined;
    permit.signal.addEventListener('abort', () => {
      overMs = time.nowMs - beganMs;
    });
    await time.through(making);
    expect(overMs).toBeLessThanOrEqual(30_000 + 500);
    expect(SETTLE_MS).toBeGreaterThanOrEqual((overMs ?? 0) + 59_000);
    expect(time.nowMs - beganMs).toBeGreaterThanOrEqual(SETTLE_MS);
  });

  it('ends by itself after its time, counted from the answer, and makes room for another', async () => {
    const maker = process();
    const { id } = await time.through(maker.make(world.filesystem, { ...REQUEST, forMs: 600_000 }));
    await time.advance(598_000);
    await expect(remove(process())).rejects.toMatchObject(held);
    await time.advance(10_000);
    expect(await maker.list(world.filesystem)).toMatchObject([{ id, kind: 'ended' }]);
    await remove(process());
    expect(isThere()).toBe(false);
    const next = await time.through(maker.make(world.filesystem, REQUEST));
    expect((await maker.list(world.filesystem)).map((one) => one.id)).toEqual([next.id]);
  });

  it('does not end by one clock that was set forward', async () => {
    await time.through(process().make(world.filesystem, { ...REQUEST, forMs: 600_000 }));
    const saw = process();
    await expect(remove(saw)).rejects.toMatchObject(held);
    await time.advance(11_000);
    time.ledgerOffMs = 3_600_000;
    await expect(remove(process())).rejects.toMatchObject(doubt);
    await expect(remove(saw)).rejects.toMatchObject(doubt);
    // Of both clocks: whoever has seen it stand knows.
    time.hostOffMs = 3_600_000;
    await expect(remove(saw)).rejects.toMatchObject(doubt);
    // And back: it stands.
    time.ledgerOffMs = -3_600_000;
    await expect(remove(process())).rejects.toMatchObject(held);
    expect(isThere()).toBe(true);
  });

  it('is not answered where the store does not keep it, or does not show it', async () => {
    world.stores.after = ({ op, names }) => {
      if (op === 'put') world.stores.bucket('world').delete(names[0] ?? '');
    };
    await expect(time.through(process().make(world.filesystem, REQUEST))).rejects.toThrow('does not show it');
    world.stores.after = undefined;
    const making = process().make(world.filesystem, REQUEST);
    await time.advance(1_000);
    for (const name of world.stores.bucket('world').keys()) {
      if (name.startsWith(holdNamesBegin(1))) world.stores.bucket('world').delete(name);
    }
    await expect(time.through(making)).rejects.toThrow('nothing is held');
  });

  it('is refused beyond the maximum, and nothing is written', async () => {
    world.stores.pageMax = 1_000;
    for (let n = 0; n < HOLDS_MAX; n++) writeHold(`x${n}`);
    const size = world.stores.bucket('world').size;
    const refused = { kind: 'halt', code: 'settings-invalid' };
    await expect(time.through(process().make(world.filesystem, REQUEST))).rejects.toMatchObject(refused);
    expect(world.stores.bucket('world').size).toBe(size);
  });

  it('that the store will not delete is not released', async () => {
    writeHold('x');
    world.stores.refuseDelete = () => 'AccessDenied';
    await expect(process().release(world.filesystem, 'x')).rejects.toMatchObject({
      kind: 'halt',
      code: 'store-refused',
    });
  });
});

describe('doubt deletes nothing:', () => {
  it.each<[string, () => void]>([
    ['a hold that cannot be read', () => world.stores.write('world', `${holdNamesBegin(1)}x`, Buffer.from('{'))],
    ['a hold too large to be ours', () => world.stores.write('world', `${holdNamesBegin(1)}x`, Buffer.alloc(20_000))],
    ['a hold until no date', () => writeHold('x', { untilMs: Number.MAX_SAFE_INTEGER })],
    ['a hold of another uuid', () => writeHold('x', { uuid: 'uuid-2' })],
    ['a listing without the owner', () => void world.stores.bucket('world').delete(ownerObjectName(1))],
    [
      'a listing that does not end',
      () => {
        world.stores.pageMax = 1;
        for (let id = 0; id < 10; id++) writeHold(`x${id}`, { sinceMs: 0, untilMs: 1 });
      },
    ],
  ])('%s', async (_, spoil) => {
    spoil();
    await expect(remove(process())).rejects.toMatchObject(doubt);
    expect(isThere()).toBe(true);
  });

  it('a hold that is listed and not found', async () => {
    writeHold('x', {});
    const store = world.stores.forFilesystem({ bucket: 'world' });
    const list = (...args: Parameters<typeof store.list>) => store.list(...args);
    const blind = { ...store, list, head: async () => null };
    const holds = new Holds({
      objects: { forFilesystem: () => blind, close: () => undefined },
      clock: time.clock,
      hostNowMs: () => time.nowMs,
      newId: () => 'n',
      nowMs: async () => ledgerMs(time.nowMs),
    });
    await expect(remove(holds)).rejects.toMatchObject(doubt);
    expect(isThere()).toBe(true);
  });

  it('a store that does not list', async () => {
    world.stores.before = ({ op }) => {
      if (op === 'list') throw storeFault('store-unavailable');
    };
    await expect(remove(process())).rejects.toMatchObject({ code: 'store-unavailable' });
    world.stores.before = undefined;
    await remove(process());
    expect(isThere()).toBe(false);
  });

  it('a ledger whose clock does not answer while a hold with an end is there', async () => {
    writeHold('x', { untilMs: 1 });
    const away = new CompactError('away', { kind: 'retry', code: 'queue-unavailable' });
    const holds = new Holds({
      objects: world.stores,
      clock: time.clock,
      hostNowMs: () => time.nowMs,
      newId: () => 'n',
      nowMs: () => Promise.reject(away),
    });
    await expect(remove(holds)).rejects.toBe(away);
  });
});

it('costs one listing for all deletes within ten seconds, and none where nothing is to be deleted', async () => {
  const holds = process();
  await holds.guard({ ...about(), names: [] });
  expect(lists).toBe(0);
  await Promise.all(Array.from({ length: 50 }, () => holds.guard(about())));
  await time.advance(9_999);
  await holds.guard(about());
  expect(lists).toBe(1);
  await time.advance(1);
  await holds.guard(about());
  expect(lists).toBe(2);
});

it('a reap record that a hold keeps is no doubt: it says what is held, and is looked at again later', async () => {
  world.write(0, 20);
  const [object = ''] = [...world.stores.bucket('world').keys()].filter((name) => parseObjectName(name) !== null);
  const record = recordIn(world, {
    retired: [NAME, object],
    stampMs: ledgerMs(0),
    layout: { blockSize: 16, chunkSize: 64, objectPrefix: 0 },
    replaced: ['1,0,0,16,16,0'],
  });
  const holds = process();
  await time.through(holds.make(world.filesystem, REQUEST));
  const deps = {
    ...reapDeps(world),
    guards: [holds.guard],
    refuseEarly: () => holds.refuseEarly(world.filesystem),
  };
  for (let looks = 0; looks < 2; looks++) {
    const verdict = await reapRecord(record, deps);
    const dueMs = world.ledger.nowMs + HELD_DELAY_MS;
    expect(verdict).toEqual({ kind: 'again', record: { ...record, dueMs }, held: { objects: 2, bytes: 16 } });
  }
  expect(isThere()).toBe(true);
});
