/**
 * What a run and a look at its record must not be led astray by: ids that a server has given out twice, a name that is taken,
 * a trash that is switched off meanwhile. On a real Redis.
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { JuicefsCommits } from '../../src/metadata/juicefs/commits.ts';
import { reapSlices } from '../../src/reap/reap-slices.ts';
import { elapsed } from '../../src/time.ts';
import { settingJson } from '../kit/juicefs/encode.ts';
import { wholeSlice } from '../kit/juicefs/raw-volume.ts';
import { storeFault } from '../objects/memory-store.ts';
import { Boundary, ProcessGone } from '../sim/boundary.ts';
import { BUCKET, SliceWorld } from './slice-world.ts';

let redis: Redis;

beforeAll(() => {
  redis = new Redis(inject('redisUrl'));
});

afterAll(() => redis.quit());

const HOUR_MS = 3_600_000;

async function worn(setting: Readonly<Record<string, unknown>> = {}, inodes: readonly number[] = [7]) {
  const world = await SliceWorld.make(redis, setting);
  for (const inode of inodes) {
    await world.file(inode);
    for (let n = 0; n < 8; n++) await world.write(inode, n * 700, 900);
  }
  return world;
}

/** A file whose compaction meets an object of somebody else under the first name that it puts. */
async function taken() {
  const world = await worn();
  const names: string[] = [];
  world.stores.before = ({ op, names: [name = ''] }) => {
    if (op !== 'put' || names.length > 0) return;
    names.push(name);
    world.stores.write(BUCKET, name, Buffer.from('of somebody else'));
  };
  return { world, areThere: () => names.map((name) => world.stores.bucket(BUCKET).has(name)) };
}

it('an object of somebody else under a name of ours is never deleted', async () => {
  const { world, areThere } = await taken();
  await expect(world.compact(7)).rejects.toMatchObject({ code: 'object-collision' });
  await world.reapAll();
  expect(areThere()).toEqual([true]);
});

it('an object that may be of somebody else is not deleted either', async () => {
  const { world, areThere } = await taken();
  const { before } = world.stores;
  world.stores.before = (call) => {
    if (call.op === 'head') throw storeFault('store-unavailable');
    return before?.(call);
  };
  await expect(world.compact(7)).rejects.toMatchObject({ code: 'store-unavailable' });
  world.stores.before = undefined;
  await world.reapAll();
  expect(areThere()).toEqual([true]);
});

it.each([
  ['the fence stands', 'metadata.forget'],
  ['the record has its names', 'ledger.expedite'],
])('an object of somebody else is not deleted where %s until the lease is over', async (_, refused) => {
  const { world, areThere } = await taken();
  const acts = async (name: string) => {
    if (name === refused) throw storeFault('store-unavailable');
  };
  const tried = world.compact(7, world.process(new Boundary(undefined, acts)));
  await expect(tried).rejects.toMatchObject({ code: 'object-collision' });
  await world.reapAll();
  expect(areThere()).toEqual([true]);
});

it('what is not known of a name that is taken is tried again until it is', async () => {
  const { world, areThere } = await taken();
  let refused = 0;
  const acts = async (name: string) => {
    if ((name !== 'metadata.forget' && name !== 'ledger.expedite') || refused > 4) return;
    refused++;
    throw storeFault('store-unavailable');
  };
  const tried = world.compact(7, world.process(new Boundary(undefined, acts)));
  await expect(tried).rejects.toMatchObject({ code: 'object-collision' });
  expect(refused).toBe(5);
  await world.reapAll();
  expect(areThere()).toEqual([true]);
});

it('ids that a server has forgotten to have given out name nothing', async () => {
  const world = await worn({}, [7, 8]);
  const own = world.key('~s3compact');
  const deps = world.process();
  let isLost = false;
  const commits = Object.assign(Object.create(deps.commits), {
    incarnation: async () => (isLost ? deps.commits.incarnation() : 'the server before'),
    // The last write of a server that is replaced.
    takeIds: async (count: number, highestKnown: bigint) => {
      const taken = await deps.commits.takeIds(count, highestKnown);
      const [first, last, since, life] = String(await redis.hget(own, 'ids')).split(' ');
      await redis.hset(own, 'ids', `${Number(first) - count} ${last} ${since} ${life}`);
      isLost = true;
      return taken;
    },
  });
  await world.compact(7, { ...deps, commits }).catch(() => undefined);
  // Who gets the same ids once more, and writes nothing, still has names to clean up.
  world.stores.before = ({ op }) => {
    if (op === 'put') throw storeFault('store-unavailable');
  };
  await expect(world.compact(8)).rejects.toMatchObject({ code: 'store-unavailable' });
  world.stores.before = undefined;
  await world.reapAll();
  await world.check();
  // It is no more than a try that was lost.
  for (const inode of [7, 8]) await world.compact(inode);
  await world.reapAll();
  await world.check();
});

/** The first PUT is given up, and lands when it is `landed`. */
async function givenUp(ending: 'its process lives' | 'its process dies') {
  const world = await worn({ TrashDays: 0 });
  let name: string | undefined;
  world.stores.before = ({ op, names }) => {
    if (op !== 'put' || name !== undefined) return;
    name = names[0];
    throw storeFault('store-unavailable');
  };
  let dies = false;
  const acts = async (call: string) => {
    dies ||= ending === 'its process dies' && call === 'metadata.clear';
    if (dies) throw new ProcessGone();
  };
  const deps = world.process(new Boundary(undefined, acts));
  await expect(world.compact(7, deps, { graceMs: HOUR_MS })).rejects.toThrow();
  return { world, landed: () => world.stores.write(BUCKET, name ?? '', Buffer.from('late')) };
}

it.each(['its process lives', 'its process dies'] as const)(
  'a PUT that lands after the first look is deleted: %s',
  async (ending) => {
    const { world, landed } = await givenUp(ending);
    const { id, record } = world.ledger.first() ?? {};
    if (id === undefined || record === undefined) throw new Error('there is no record');
    world.ledger.nowMs = Number(record.dueMs);
    const verdict = await reapSlices(record, world.process());
    if (verdict.kind !== 'again') throw new Error(`the record is ${verdict.kind}`);
    world.ledger.set(id, verdict.record);
    expect(elapsed(world.now(), world.ledger.first()?.record.dueMs ?? world.now())).toBeGreaterThanOrEqual(HOUR_MS);
    landed();
    await world.reapAll();
    await world.check();
  },
);

it('what a process writes that stood still until its record was done is deleted', async () => {
  const world = await worn({ TrashDays: 0 });
  let isStill = true;
  const acts = async (call: string) => {
    if (call !== 'store.putIfAbsent' || !isStill) return;
    isStill = false;
    await world.reapAll();
  };
  await expect(world.compact(7, world.process(new Boundary(undefined, acts)))).rejects.toThrow();
  expect(isStill).toBe(false);
  expect(await world.reapAll()).toBeGreaterThan(0);
  await world.check();
});

it('a trash that is switched off after the commit shortens no grace period', async () => {
  const world = await worn({ TrashDays: 1 });
  const objects = [...world.stores.bucket(BUCKET).keys()];
  expect(await world.compact(7, world.process(), { graceMs: HOUR_MS })).toMatchObject({ outcome: 'compacted' });
  await redis.set(world.key('setting'), settingJson('vol', { BlockSize: 1, TrashDays: 0 }));
  const { record } = world.ledger.first() ?? {};
  if (record === undefined) throw new Error('there is no record');
  world.ledger.nowMs = Number(record.dueMs);
  const verdict = await reapSlices(record, world.process());
  expect([...world.stores.bucket(BUCKET).keys()]).toEqual(expect.arrayContaining(objects));
  // And nobody asks each second.
  if (verdict.kind !== 'again') throw new Error(`the record is ${verdict.kind}`);
  expect(elapsed(world.now(), verdict.record.dueMs)).toBeGreaterThan(HOUR_MS / 20);
});

it('records that show nothing, zeros with a size, and one record twice keep bytes and references', async () => {
  for (const TrashDays of [0, 1]) {
    const world = await worn({ TrashDays });
    const [first, second] = await world.records(7);
    if (first === undefined || second === undefined) throw new Error('there are no records');
    await world.append(7, { ...wholeSlice(await world.slice(900), 300, 900), len: 0 });
    await world.append(7, { ...wholeSlice(await world.slice(1_500), 20_000, 1_500), off: 1_500, len: 0 });
    await world.append(7, { pos: 200, id: 0, size: 77, off: 5, len: 60 });
    for (const record of [first, second, first]) {
      await redis.hincrby(world.key('sliceRef'), `k${record.id}_${record.size}`, 1);
      await world.append(7, record);
    }
    expect(await world.compact(7)).toMatchObject({ outcome: 'compacted' });
    expect(await world.records(7)).toHaveLength(1);
    await world.reapAll();
    await world.hourly(0);
    await world.check();
  }
});

it('a setting that is refused from now on stops the commit of what is being written', async () => {
  const world = await worn();
  const before = await world.records(7);
  const acts = async (name: string) => {
    if (name === 'store.putIfAbsent')
      await redis.set(world.key('setting'), settingJson('vol', { BlockSize: 1, ChangeLog: true }));
  };
  const tried = world.compact(7, world.process(new Boundary(undefined, acts)));
  await expect(tried).rejects.toMatchObject({ kind: 'halt', code: 'metadata-refused' });
  await world.reapAll();
  expect(await world.records(7)).toEqual(before);
  await world.check();
});

it('a server that never says which life it is: nothing is begun or written', async () => {
  const world = await worn();
  const before = await world.records(7);
  const objects = world.stores.bucket(BUCKET).size;
  // As where INFO is not allowed.
  const secretive = new Proxy(redis, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (name === 'pipeline') return () => Object.assign(target.pipeline(), { exec: async () => [] });
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const commits = new JuicefsCommits({ redis: secretive, prefix: world.raw.prefix, timeoutMs: 60_000, idsAgeMs: 0 });
  const tried = world.compact(7, { ...world.process(), commits });
  await expect(tried).rejects.toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
  expect(world.ledger.first()).toBeUndefined();
  expect(await redis.exists(world.key('~s3compact'))).toBe(0);
  expect(world.stores.bucket(BUCKET).size).toBe(objects);
  expect(await world.records(7)).toEqual(before);
});
