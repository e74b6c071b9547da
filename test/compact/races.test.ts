/**
 * What others do between any two steps of an attempt: clients append, truncate and unlink, another compactor compacts
 * the same inode, and the process itself is paused until its lease is over and its record worked off (I1, I2, I5, I7, I9).
 */

import { describe, expect, it } from 'vitest';
import type { CompactResult } from '../../src/compact/compact-inode.ts';
import type { CommitForm } from '../../src/metadata/port.ts';
import { wallMs } from '../../src/time.ts';
import { Boundary } from '../sim/boundary.ts';
import { endOf, expectWhole, FORMS, finish, fragmentedWorld } from '../sim/scenes.ts';
import { LIMITS, World } from '../sim/world.ts';

interface Race {
  readonly name: string;
  readonly act: (world: World) => void | Promise<void>;
}

const RACES: readonly Race[] = [
  { name: 'an append over merged bytes', act: (world) => world.write(4, 20) },
  { name: 'an append behind the end', act: (world) => world.write(120, 8) },
  { name: 'a zero version', act: (world) => world.write(2, 40, true) },
  { name: 'a truncate down', act: (world) => world.truncate(21) },
  { name: 'a truncate to nothing', act: (world) => world.truncate(0) },
  { name: 'a truncate up over trimmed bytes', act: (world) => world.truncate(128) },
  {
    name: 'a truncate down and up again',
    act: (world) => {
      world.truncate(30);
      world.truncate(120);
    },
  },
  { name: 'an unlink', act: (world) => world.unlink() },
  { name: 'another compactor on the same inode', act: async (world) => endOf(world.compact()) },
  {
    name: 'a pause until lease and record are over',
    act: async (world) => {
      world.ledger.nowMs += LIMITS.leaseMs + 1;
      await world.reapAll();
    },
  },
  {
    name: 'a pause in which somebody else compacts and reaps',
    act: async (world) => {
      world.ledger.nowMs += LIMITS.leaseMs + 1;
      await endOf(world.compact());
      await world.reapAll();
      world.write(40, 20);
    },
  },
];

/** Runs one attempt with `act` before its n-th step; `undefined` when there is no such step. */
async function raceAt(
  form: CommitForm,
  race: Race,
  { step, versionsMax }: { readonly step: number; readonly versionsMax?: number },
): Promise<{ world: World; result: CompactResult | null; at: string } | undefined> {
  const world = fragmentedWorld(form);
  let at: string | undefined;
  const boundary = new Boundary(undefined, async (name, n) => {
    if (n !== step || at !== undefined) return;
    at = name;
    await race.act(world);
  });
  let result: CompactResult | null = null;
  const limits = { ...world.limits, ...(versionsMax === undefined ? {} : { versionsMax }) };
  await endOf(world.compact(boundary, limits).then((value) => (result = value)));
  return at === undefined ? undefined : { world, result, at };
}

/** Whole lists in one commit, and lists that are too long for one: their heads, under what lies above them. */
const RUNS = FORMS.flatMap((form) => [
  { form, what: 'whole lists' },
  { form, what: 'heads of 4 versions', versionsMax: 4 },
  { form, what: 'heads of 2 versions', versionsMax: 2 },
]);

describe.each(RACES)('$name at every step', (race) => {
  it.each(RUNS)('$form, $what: I1, I2, I5, I7, I9: every byte stays right and nothing is left behind', async (run) => {
    const { form, versionsMax } = run;
    let steps = 0;
    for (; ; steps++) {
      const raced = await raceAt(form, race, { step: steps, versionsMax });
      if (raced === undefined) break;
      // A process that stands still while its request goes out is outside the guarantee of this form.
      if (form === 'time-bound' && race.name.startsWith('a pause') && raced.at === 'metadata.commit') continue;
      expect(raced.world.violations, `step ${steps}, ${raced.at}`).toEqual([]);
      if (race.name === 'an unlink') await raced.world.reapAll();
      else await finish(raced.world);
      expectWhole(raced.world);
    }
    expect(steps).toBeGreaterThan(20);
  });
});

async function raceAtCommit(
  act: Race['act'],
  form: CommitForm = 'fenced',
): Promise<{ world: World; result: CompactResult | null }> {
  const probe = new Boundary();
  await fragmentedWorld(form).compact(probe);
  const raced = await raceAt(form, { name: '', act }, { step: probe.crossings.indexOf('metadata.commit') });
  if (raced === undefined) throw new Error('there was no commit');
  return raced;
}

describe('a pause until the lease is over, at every step', () => {
  it.each(FORMS)('%s: I7, I12: nothing is written and nothing committed after it', async (form) => {
    const probe = new Boundary();
    await fragmentedWorld(form).compact(probe);
    const begun = probe.crossings.indexOf('metadata.begin');
    for (let step = begun; step < probe.crossings.length; step++) {
      const world = fragmentedWorld(form);
      const boundary = new Boundary(undefined, (_name, n) => {
        if (n === step) world.ledger.nowMs += LIMITS.leaseMs + 1;
      });
      await endOf(world.compact(boundary));
      const after = boundary.crossings.slice(step + 1);
      expect(after, `step ${step}, ${boundary.crossings[step]}`).not.toContain('objects.put');
      expect(after, `step ${step}, ${boundary.crossings[step]}`).not.toContain('metadata.commit');
    }
    expect(probe.crossings.slice(begun).filter((name) => name === 'objects.put').length).toBeGreaterThan(2);
  });
});

describe('between the last PUT and the commit', () => {
  it.each(FORMS)('%s: I4: every object that the commit names is stored', async (form) => {
    let commits = 0;
    const world = fragmentedWorld(form);
    const boundary = new Boundary(undefined, (name) => {
      if (name !== 'metadata.commit') return;
      commits++;
      const merged = [...world.ledger.records.values()].flatMap((record) => record.merged);
      expect(merged.length).toBeGreaterThan(0);
      expect(world.objectNames()).toEqual(expect.arrayContaining(merged));
    });
    await world.compact(boundary);
    expect(commits).toBe(2);
  });

  it.each(FORMS)('%s: I2: an append stays on top of what is committed', async (form) => {
    const { world, result } = await raceAtCommit((at) => at.write(4, 20), form);
    expect(result?.outcome).toBe('compacted');
    const list = world.lists().get(0) ?? [];
    expect(list.at(-1)).toMatchObject({ offset: 4, len: 20, compaction: 0n });
    expect(list.length).toBeGreaterThan(1);
  });

  it('an unlink makes the attempt stale, and its objects are reaped', async () => {
    const { world, result } = await raceAtCommit((at) => at.unlink());
    expect(result).toMatchObject({ outcome: 'stale', chunksCompacted: 0 });
    expect(result?.reason).toContain('unlinked');
    expect(world.objectNames()).not.toEqual(world.referencedNames());
    await world.reapAll();
    expectWhole(world);
  });

  it('a change of length makes a plan that trimmed beyond it stale, with its objects reaped', async () => {
    const world = new World();
    for (const [offset, len] of [
      [0, 40],
      [4, 4],
      [20, 20],
    ] as const)
      world.write(offset, len);
    world.truncate(30);
    const boundary = new Boundary(undefined, (name) => {
      if (name === 'metadata.commit') world.truncate(35);
    });
    const result = await world.compact(boundary);
    expect(result).toMatchObject({ outcome: 'stale', chunksCompacted: 0 });
    expect(result.reason).toContain('length');
    expect(world.lists().get(0)).toHaveLength(3);
    await world.reapAll();
    expectWhole(world);
  });

  it('I5: a list that another compactor replaced is a lost fence, never a second replacement', async () => {
    const { world, result } = await raceAtCommit(async (at) => endOf(at.compact()));
    expect(result).toMatchObject({ outcome: 'stale', chunksCompacted: 0 });
    await finish(world);
    expectWhole(world);
  });
});

describe('a reader that holds the old lists (I7)', () => {
  it('reads them until one grace after the second compaction of the same chunk, and not for ever', async () => {
    const world = fragmentedWorld();
    const first = world.snapshot();
    await world.compact();
    const second = world.snapshot();
    for (const offset of [0, 6, 12, 20]) world.write(offset, 5);
    await world.compact();
    // Records of the first compaction become due first; the second's objects outlive them by the time between.
    world.ledger.nowMs += LIMITS.graceMs - 1;
    const due = [...world.ledger.records.values()].filter((record) => wallMs(record.dueMs) <= world.ledger.nowMs);
    expect(due).toEqual([]);
    expect(unread(world, first)).toBeNull();
    expect(unread(world, second)).toBeNull();
    await world.reapAll();
    expectWhole(world);
    expect(unread(world, first)).toContain('missing');
  });

  /** Old lists do not have what was written since: only whether their objects can be read is asked. */
  function unread(world: World, file: ReturnType<World['snapshot']>): string | null {
    const fault = world.readFault(file);
    return fault?.includes('missing') ? fault : null;
  }
});
