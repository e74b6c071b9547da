/** repair: what a store acknowledged and did not keep is made again from what it replaced, byte for byte, or not at all. */
import { describe, expect, it } from 'vitest';
import { type Repaired, repairInode } from '../../src/fsck/repair.ts';
import { MemoryLedger } from '../sim/memory-ledger.ts';
import { MetadataState } from '../sim/memory-metadata.ts';
import { RecordState } from '../sim/record-metadata.ts';
import { KEY, LIMITS, World } from '../sim/world.ts';

/** A file that was compacted while the store kept none of the merged objects. */
async function lostWorld(state: MetadataState): Promise<World> {
  const world = new World(state, { ...LIMITS, quietMs: 10_000 });
  for (let n = 0; n < 12; n++) world.write((n * 7) % 40, 5 + (n % 9), n === 6);
  world.write(70, 20);
  world.rest();
  world.stores.after = ({ op, names: [name = ''] }) => {
    if (op === 'put') world.stores.bucket('world').delete(name);
  };
  expect(await world.compact()).toMatchObject({ outcome: 'compacted' });
  world.stores.after = undefined;
  world.violations.length = 0;
  return world;
}

async function repaired(world: World, dryRun = false): Promise<Repaired[]> {
  const records = new MemoryLedger(world.ledger);
  const { filesystem } = world;
  const deps = {
    metadata: world.deps().metadata,
    objects: world.stores.forFilesystem(filesystem),
    filesystem,
    records,
  };
  const all: Repaired[] = [];
  for await (const one of repairInode(KEY, deps, { dryRun })) all.push(one);
  return all;
}

const forms = [
  ['fenced', () => new MetadataState()],
  ['time-bound', () => new RecordState()],
] as const;

describe.each(forms)('%s', (_, state) => {
  it('everything reads as before, the record goes on by itself, and nothing is left over', async () => {
    const world = await lostWorld(state());
    expect(world.readFault(world.snapshot())).not.toBe(null);
    expect(await world.reapFirst()).toMatchObject({ kind: 'again' });
    const before = world.objectNames();
    const dry = await repaired(world, true);
    expect(dry.length).toBeGreaterThan(0);
    expect(new Set(dry.map(({ outcome }) => outcome))).toEqual(new Set(['can']));
    expect(world.objectNames()).toEqual(before);
    const made = await repaired(world);
    expect(made.map(({ object, outcome }) => [object, outcome])).toEqual(dry.map(({ object }) => [object, 'made']));
    expect(world.readFault(world.snapshot())).toBe(null);
    expect(await repaired(world)).toEqual([]);
    await world.reapAll();
    expect(world.violations).toEqual([]);
    expect(world.objectNames()).toEqual(world.referencedNames());
  });
});

it('makes nothing where a source is missing, and says which', async () => {
  const world = await lostWorld(new MetadataState());
  const [source = ''] = world.ledger.first()?.record.retired ?? [];
  world.stores.bucket('world').delete(source);
  const told = await repaired(world);
  const failed = told.filter(({ outcome }) => outcome === 'cannot');
  expect(failed.some(({ detail }) => detail.includes(source))).toBe(true);
  for (const { object } of failed) expect(world.stores.bucket('world').has(object)).toBe(false);
});

it('makes nothing from a part of the old list, or without a record', async () => {
  const world = await lostWorld(new MetadataState());
  const [[id, record] = ['', undefined]] = [...world.ledger.records];
  if (record === undefined) throw new Error('no record');
  const { replaced = [] } = record;
  world.ledger.records.set(id, {
    ...record,
    replaced: replaced.slice(1),
    replacedPart: { from: 0, of: replaced.length },
  });
  const told = await repaired(world);
  expect(told.filter(({ chunkIndex }) => chunkIndex === record.chunkIndex).map(({ outcome }) => outcome)).toContain(
    'cannot',
  );
  world.ledger.records.set(id, { ...record, merged: [] });
  for (const { object } of told.filter(({ outcome }) => outcome === 'cannot')) {
    expect(world.stores.bucket('world').has(object)).toBe(false);
  }
  expect((await repaired(world)).every(({ outcome }) => outcome === 'cannot')).toBe(true);
});

it('names what is missing when its originals and their records are gone as well', async () => {
  const world = await lostWorld(new MetadataState());
  const lost = (await repaired(world, true)).map(({ object }) => object);
  world.ledger.records.clear();
  const told = await repaired(world, true);
  expect(told.map(({ object }) => object).toSorted()).toEqual(lost.toSorted());
  expect(told.every(({ outcome }) => outcome === 'cannot')).toBe(true);
  expect(told[0]?.detail).toContain('restore it from a backup, or write the file again');
});

it('a store that lies again is told, and an object that is too short is left to a person', async () => {
  const world = await lostWorld(new MetadataState());
  const [{ object } = { object: '' }] = await repaired(world, true);
  world.stores.write('world', object, Buffer.from('x'));
  world.stores.after = ({ op, names: [name = ''] }) => {
    if (op === 'put') world.stores.bucket('world').delete(name);
  };
  const told = await repaired(world);
  expect(told.find((one) => one.object === object)?.detail).toContain('delete it by hand');
  expect(told.every(({ outcome }) => outcome === 'cannot')).toBe(true);
});
