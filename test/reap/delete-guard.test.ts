/** The guards that are asked right before a delete: the first that objects stops it, and nothing is deleted (I10). */

import { expect, test } from 'vitest';
import { CompactError } from '../../src/errors.ts';
import type { ObjectStore } from '../../src/objects/port.ts';
import { withRetries } from '../../src/objects/retrying-store.ts';
import { confirmNothing, type DeletePermit, guardedDelete, stopGuard } from '../../src/reap/delete-guard.ts';
import { reapRecord } from '../../src/reap/reap-record.ts';
import { ledgerMs, monotonicMs } from '../../src/time.ts';
import { storeFault } from '../objects/memory-store.ts';
import { KEY, World } from '../sim/world.ts';
import { reapDeps, recordIn } from './record.ts';

const refusal = new CompactError('a hold stands', { kind: 'retry', code: 'store-refused' });

const refuse = async (): Promise<void> => {
  throw refusal;
};

const about = (world: World, names: readonly string[]) => {
  return { filesystem: world.filesystem, keys: [KEY], looks: [], names };
};

/** A world with so many objects, and what the store was asked to delete, batch by batch. */
function worldWith(objects: number) {
  const world = new World();
  const names = Array.from({ length: objects }, (_, n) => `old-${n}`);
  for (const name of names) world.stores.write('world', name, Buffer.from('old'));
  const batches: number[] = [];
  world.stores.before = ({ op, names: batch }) => {
    if (op === 'delete') batches.push(batch.length);
  };
  return { world, names, batches, store: world.stores.forFilesystem(world.filesystem) };
}

/** A guard that allows each delete until its permit's time is over, which a test says; `given` counts those not ended. */
function permits() {
  const time = { over: new AbortController(), open: 0 };
  const guard = (): Promise<DeletePermit> => {
    time.open++;
    const { signal } = time.over;
    return Promise.resolve({ signal, check: () => signal.throwIfAborted(), end: () => void time.open-- });
  };
  return { time, guard };
}

test('guards are asked in order, and the first that throws ends it', async () => {
  const { world, names, batches, store } = worldWith(1);
  const asked: string[] = [];
  const guard = (name: string, error?: Error) => async () => {
    asked.push(name);
    if (error !== undefined) throw error;
  };
  const { time, guard: permit } = permits();
  await confirmNothing([guard('a'), permit, guard('b')], about(world, []));
  const guards = [permit, guard('c'), guard('d', refusal), guard('e')];
  await expect(guardedDelete(about(world, names), { guards, store })).rejects.toBe(refusal);
  expect(asked).toEqual(['a', 'b', 'c', 'd']);
  expect(batches).toEqual([]);
  expect(time.open).toBe(0);
  expect(await guardedDelete(about(world, names), { store })).toEqual([]);
  expect(world.stores.bucket('world').size).toBe(0);
});

test('after a stop no delete begins, and the next guard is not asked', async () => {
  const { world, names, batches, store } = worldWith(1_500);
  const stop = new AbortController();
  const { time, guard } = permits();
  const before = world.stores.before;
  world.stores.before = (call) => {
    before?.(call);
    if (call.op === 'delete') stop.abort();
  };
  const deleting = guardedDelete(about(world, names), { guards: [stopGuard(stop.signal), guard], store });
  await expect(deleting).rejects.toMatchObject({ code: 'cancelled', kind: 'retry' });
  expect(batches).toEqual([1_000]);
  expect(time.open).toBe(0);
});

test('guards are asked again before each batch, and what the store refuses is reported', async () => {
  const { world, names, batches, store } = worldWith(2_500);
  world.stores.refuseDelete = (_, name) => (name === 'old-7' || name === 'old-2001' ? 'AccessDenied' : undefined);
  let asked = 0;
  const guards = [async () => void asked++];
  const failures = await guardedDelete(about(world, names), { guards, store });
  expect(failures.map(({ name }) => name)).toEqual(['old-7', 'old-2001']);
  expect({ asked, batches }).toEqual({ asked: 3, batches: [1000, 1000, 500] });
});

test('a delete ends with the time of its permit; the rest goes in smaller batches, or not at all', async () => {
  const { world, names, batches, store } = worldWith(1_000);
  const { time, guard } = permits();
  // A store that needs the whole time for each 300 names: its answer never comes.
  world.stores.before = async ({ op, names: batch, signal }) => {
    if (op !== 'delete') return;
    batches.push(batch.length);
    if (batch.length <= 300) return;
    time.over.abort();
    expect(signal?.aborted).toBe(true);
    time.over = new AbortController();
    const late = new CompactError('given up', { kind: 'retry', code: 'cancelled' });
    throw late;
  };
  expect(await guardedDelete(about(world, names), { guards: [guard], store })).toEqual([]);
  expect(batches).toEqual([1000, 500, 250, 250, 250, 250]);
  expect(time.open).toBe(0);
  time.over.abort(new CompactError('over', { kind: 'retry', code: 'cancelled' }));
  await expect(guardedDelete(about(world, ['x', 'y']), { guards: [guard], store })).rejects.toMatchObject({
    kind: 'retry',
    code: 'cancelled',
  });
  expect(batches).toHaveLength(6);
});

test('the permit is checked by the clock right before each try, when all waiting is over', async () => {
  const { world, names, batches } = worldWith(1);
  const over = new CompactError('over', { kind: 'retry', code: 'cancelled' });
  const inner = world.stores.forFilesystem(world.filesystem);
  let tries = 0;
  const failing: ObjectStore = {
    getRange: inner.getRange.bind(inner),
    getWhole: inner.getWhole.bind(inner),
    putIfAbsent: inner.putIfAbsent.bind(inner),
    head: inner.head.bind(inner),
    list: inner.list.bind(inner),
    delete: async () => {
      tries++;
      throw storeFault('store-unavailable');
    },
  };
  const clock = { monotonicMs: () => monotonicMs(0), sleep: async () => undefined };
  let checks = 0;
  // Its timer has not come, as in a process that stood still.
  const permit = {
    signal: new AbortController().signal,
    check: () => {
      if (++checks > 2) throw over;
    },
    end: () => undefined,
  };
  const guard = (): Promise<DeletePermit> => Promise.resolve(permit);
  const store = withRetries(failing, { clock });
  await expect(guardedDelete(about(world, names), { guards: [guard], store })).rejects.toBe(over);
  expect({ tries, batches }).toEqual({ tries: 1, batches: [] });
});

test('a record whose delete is refused stays as it is, with the reason, and no object goes', async () => {
  const world = new World();
  world.write(0, 20);
  world.stores.write('world', 'old', Buffer.from('old'));
  const record = recordIn(world, { retired: ['old'], stampMs: ledgerMs(0) });
  const verdict = await reapRecord(record, { ...reapDeps(world), guards: [refuse] });
  expect(verdict).toMatchObject({ kind: 'again', doubt: 'a hold stands', record: { retired: ['old'] } });
  expect(world.stores.bucket('world').has('old')).toBe(true);
});

test('a record of which everything is referenced is not dropped on the word of a server that no guard confirms', async () => {
  const world = new World();
  world.write(0, 20);
  const [referenced = ''] = [...world.stores.bucket('world').keys()];
  const record = recordIn(world, { retired: [referenced] });
  const deps = reapDeps(world);
  const refused = await reapRecord(record, { ...deps, guards: [refuse] });
  expect(refused).toMatchObject({ kind: 'again', doubt: 'a hold stands', record: { retired: [referenced] } });
  expect(await reapRecord(record, deps)).toEqual({ kind: 'done', deleted: 0, stillReferenced: 1 });
});

test('a permit is asked before each request of a delete, also by a store without retries', async () => {
  const world = new World();
  world.stores.write('world', 'old', Buffer.from('old'));
  let asked = 0;
  const check = () => {
    // When the guards have let it pass, and again when the store is about to send.
    if (++asked > 1) throw new CompactError('it is over', { kind: 'retry', code: 'held' });
  };
  const once = async (): Promise<DeletePermit> => ({
    signal: new AbortController().signal,
    check,
    end: () => undefined,
  });
  const store = world.stores.forFilesystem(world.filesystem);
  await expect(guardedDelete(about(world, ['old']), { guards: [once], store })).rejects.toMatchObject({ code: 'held' });
  expect(world.stores.bucket('world').has('old')).toBe(true);
});
