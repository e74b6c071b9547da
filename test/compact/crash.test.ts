/**
 * A fault at every step of an attempt and of the reaping after it: each port call fails before or after its effect, or
 * the process is gone there. Afterwards a fresh process must find every byte readable, finish the job, and leave in the
 * bucket exactly what the lists reference (I1, I6, I7, I9, I12).
 */
import { describe, expect, it } from 'vitest';
import type { CommitForm } from '../../src/metadata/port.ts';
import { Boundary, CALL_ENDINGS, type CallEnding, lost } from '../sim/boundary.ts';
import { endOf, expectWhole, FORMS, finish, fragmentedWorld } from '../sim/scenes.ts';
import { LIMITS, type World } from '../sim/world.ts';

async function crossingsOfAFullRun(form: CommitForm): Promise<number> {
  const boundary = new Boundary();
  await fragmentedWorld(form).compact(boundary);
  return boundary.crossings.length;
}

describe.each(FORMS)('%s: a fault at every step of an attempt', async (form) => {
  const steps = await crossingsOfAFullRun(form);
  const reached = new Map<string, number>();

  it.each(CALL_ENDINGS)('%s: I1, I6, I7 and I12 hold after each step', async (ending) => {
    for (let at = 0; at < steps; at++) {
      const world = fragmentedWorld(form);
      const before = world.snapshot();
      const boundary = new Boundary({ at, ending });
      await endOf(world.compact(boundary));
      reached.set(boundary.crossings[at] ?? '', (reached.get(boundary.crossings[at] ?? '') ?? 0) + 1);
      expect(world.violations, `step ${at}`).toEqual([]);
      // A reader that took the lists before the attempt can read on right after it.
      expect(world.readFault(before), `step ${at}: the old list`).toBeNull();
      await finish(world);
      expectWhole(world);
    }
  });

  it('crosses every kind of boundary that an attempt has', () => {
    const fenced = ['ledger.stamp', 'metadata.clearFence', 'metadata.incarnation'];
    expect([...reached.keys()].sort()).toEqual(
      [
        'ledger.add',
        'ledger.nowMs',
        'metadata.begin',
        'metadata.chunkIndexes',
        'metadata.commit',
        'metadata.getFilesystem',
        'metadata.getInode',
        'metadata.readChunk',
        'objects.get',
        'objects.put',
        ...(form === 'fenced' ? fenced : ['ledger.expedite']),
      ].sort(),
    );
  });
});

describe.each(FORMS)('%s: a fault at every step of reaping', (form) => {
  it.each(CALL_ENDINGS)('%s: nothing referenced is deleted and nothing is left over (I7, I10, I12)', async (ending) => {
    // A worker that died right before its commit, and one right after it.
    for (const victim of ['gone-before', 'gone-after'] as const) {
      for (let at = 0; ; at++) {
        const world = await worldAfterDeathAtCommit(form, victim);
        const reached = await reapWithFault(world, { at, ending });
        await finish(world);
        expectWhole(world);
        if (!reached) break;
      }
    }
  });
});

async function worldAfterDeathAtCommit(form: CommitForm, ending: CallEnding): Promise<World> {
  const probe = new Boundary();
  await fragmentedWorld(form).compact(probe);
  const world = fragmentedWorld(form);
  await endOf(world.compact(new Boundary({ at: probe.crossings.indexOf('metadata.commit'), ending })));
  return world;
}

/** Works records off with one fault at the n-th crossing of all looks together; `false` when there were fewer. */
async function reapWithFault(world: World, fault: { at: number; ending: CallEnding }): Promise<boolean> {
  let passed = 0;
  for (let looks = 0; looks < 50; looks++) {
    const boundary = new Boundary({ at: fault.at - passed, ending: fault.ending });
    await endOf(world.reapFirst(boundary));
    passed += boundary.crossings.length;
    if (passed > fault.at) return true;
    if (world.ledger.records.size === 0) return false;
  }
  throw new Error('reaping never ends');
}

describe.each(FORMS)('%s: I12 for every pair of deaths', (form) => {
  it('two attempts that die one after the other leave nothing behind', async () => {
    const steps = await crossingsOfAFullRun(form);
    for (let first = 0; first < steps; first += 3) {
      for (let second = 0; second < steps; second += 5) {
        const world = fragmentedWorld(form);
        await endOf(world.compact(new Boundary({ at: first, ending: 'gone-after' })));
        world.write(20, 10);
        world.rest();
        await endOf(world.compact(new Boundary({ at: second, ending: 'gone-after' })));
        await finish(world);
        expectWhole(world);
      }
    }
  });
});

/** The answer to the first PUT is lost, and the server of metadata and ledger is away for so many calls from then on. */
class Outage extends Boundary {
  #callsLeft: number;
  #began = false;
  readonly #onBegin: () => void;

  constructor(calls: number, onBegin: () => void) {
    super();
    this.#callsLeft = calls;
    this.#onBegin = onBegin;
  }

  override async cross<T>(name: string, effect: () => T | Promise<T>): Promise<T> {
    if (name === 'objects.put' && !this.#began) {
      this.#began = true;
      this.#onBegin();
      await super.cross(name, effect);
      throw lost(name);
    }
    if (!this.#began || this.#callsLeft === 0 || name.startsWith('objects')) return super.cross(name, effect);
    this.#callsLeft--;
    throw lost(name);
  }
}

describe.each(FORMS)(
  '%s: a server that is away when an attempt ends, and comes back without its last second (I12)',
  (form) => {
    it.each([1, 2, 3, 4, 9])('the attempt hands its lost records over after %i failed calls', async (calls) => {
      const world = fragmentedWorld(form);
      const startedMs = world.ledger.nowMs;
      const outage = new Outage(calls, () => world.ledger.records.clear());
      await endOf(world.compact(outage));
      expect(world.ledger.nowMs - startedMs).toBeLessThan(LIMITS.leaseMs);
      await finish(world);
      expectWhole(world);
    });

    it('a server that stays away is given up when the lease is over', async () => {
      const world = fragmentedWorld(form);
      const startedMs = world.ledger.nowMs;
      await endOf(world.compact(new Outage(Number.POSITIVE_INFINITY, () => undefined)));
      expect(world.ledger.nowMs - startedMs).toBeLessThanOrEqual(LIMITS.leaseMs + (world.limits.quietMs ?? 0));
      await finish(world);
      expectWhole(world);
    });
  },
);
