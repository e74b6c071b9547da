/**
 * Courses of events that chance alone hardly brings about: several things must come together, in one order, hours apart.
 * What is done is given here, when exactly and how long it takes is left to the seed. Data only.
 */
import fc from 'fast-check';
import type { PlannedFault } from './faults.ts';
import type { Script, Step, WriteAct } from './script.ts';

/** The parts of a script that are drawn for any course. */
export interface Parts {
  readonly setup: fc.Arbitrary<readonly WriteAct[]>;
  readonly order: fc.Arbitrary<number>;
}

const write = { act: 'write', file: 0, offset: 0, len: 20, zero: false, upload: 'before', turns: 40 } as const;
const compact = { act: 'compact', file: 0, times: 1, rate: 1, small: false, turns: 0 } as const;
const due: Step = { act: 'wait', wait: 'due', part: 1, turns: 60 };
const grace: Step = { act: 'wait', wait: 'grace', part: 0.9, turns: 60 };
const waitNeglect: Step = { act: 'wait', wait: 'neglect', part: 1, turns: 40 };

/** An orphan that is found, found again, and deleted. */
export const neglect: readonly Step[] = [
  { ...write, upload: 'dies' },
  waitNeglect,
  { act: 'gc', delete: false, turns: 0 },
  waitNeglect,
  { act: 'gc', delete: true, turns: 0 },
  waitNeglect,
  { act: 'gc', delete: true, turns: 0 },
];

function between(min: number, max: number): fc.Arbitrary<number> {
  return fc.integer({ min: min * 1_000, max: max * 1_000 }).map((n) => n / 1_000);
}

/** A commit that comes after its lease, while the first look at its record is under way. */
function lateCommit({ setup, order }: Parts): fc.Arbitrary<Script> {
  const faults = fc.tuple(between(0.68, 0.99), between(0, 0.35)).map(([commit, look]): readonly PlannedFault[] => [
    { on: 'metadata.commit', at: 0, fault: 'pause-before', size: commit },
    { on: 'metadata.clearFence', at: 0, fault: 'pause-before', size: look },
  ]);
  // Just over one lease, in which the record becomes due and is looked at.
  const lease: Step = { act: 'wait', wait: 'lease', part: 0.84, turns: 0 };
  const steps = fc.constant([compact, lease, due, due, due, grace, due]);
  return fc.record({ setup, steps, faults, order });
}

/**
 * Two attempts record the same old objects; then the metadata server forgets the ids of these, gives them out again, and
 * a client puts an object under a name that one record has deleted and the other is about to.
 */
function forgottenIds({ setup, order }: Parts): fc.Arbitrary<Script> {
  const second: Step = { act: 'wait', wait: 'second', part: 1, turns: 0 };
  const slow: Step = { ...write, upload: 'slow', turns: 0 };
  const steps = fc
    .tuple(fc.integer({ min: 2, max: 3 }), fc.integer({ min: 50, max: 120 }), between(0.1, 0.6))
    .map(([times, turns, part]): Step[] => [
      second,
      write,
      { ...write, turns: 0 },
      { ...write, turns: 0 },
      { ...write, turns: 0 },
      { ...compact, times, turns: 60 },
      { act: 'lose', server: 'metadata', ms: 1_000, turns },
      // The records of the attempts that failed are looked at now and once more after a grace period, which deletes; at
      // that time the record of the one that committed is looked at first.
      due,
      due,
      due,
      { act: 'wait', wait: 'grace', part, turns: 60 } as const,
      slow,
      slow,
      slow,
      slow,
      slow,
      { ...due, turns: 20 },
      { ...grace, turns: 30 },
      due,
      grace,
    ]);
  return fc.record({ setup, steps, faults: fc.constant([]), order });
}

export function directed(parts: Parts): fc.Arbitrary<Script> {
  return fc.oneof(lateCommit(parts), forgottenIds(parts));
}
