/**
 * What other people's servers and clocks do to a seeded world, beyond faults of single calls. Each is a switch of its own:
 * a script has one of those that are on, or none. What is on by default must hold for every seed. Data only.
 */
import fc from 'fast-check';
import type { CommitForm } from '../../../src/metadata/port.ts';
import type { PlannedFault } from './faults.ts';
import type { Act, Step } from './script.ts';

/**
 * lying-store: PUTs and deletes are acknowledged and not done, listings are empty. still-clocks: a process that stands
 * still does not know how long it did. store-dates: LastModified of 1970, or of next year. hasty-reaper: it is set to a tenth
 * of the grace period. lost-indexes: the set of a file's chunk indexes is gone, its lists are there. demoted: a metadata
 * primary was replaced and does not know; some processes still ask it. neighbour: another metadata store gave the file
 * system's number to one of its own, in the same bucket. clone: workers run on a copy of the metadata, with a queue of
 * its own, in the same bucket. client-clocks: clients' clocks are hours wrong. holds: operators hold the file system and release
 * it, in the middle of whatever goes on.
 */
export const ATTACKS = [
  'lying-store',
  'still-clocks',
  'store-dates',
  'hasty-reaper',
  'lost-indexes',
  'demoted',
  'neighbour',
  'clone',
  'client-clocks',
  'holds',
] as const;
export type Attack = (typeof ATTACKS)[number];

/** Those that the sources stand. */
export const DEFAULT_ATTACKS: ReadonlySet<Attack> = new Set<Attack>([
  ...(['lying-store', 'store-dates', 'hasty-reaper', 'lost-indexes', 'demoted', 'neighbour', 'clone'] as const),
  ...(['still-clocks', 'client-clocks', 'holds'] as const),
]);

/** Those that mean something for this kind of metadata service. */
const FENCED_ONLY: ReadonlySet<Attack> = new Set(['lost-indexes', 'demoted', 'neighbour', 'clone']);

export function attacksFor(on: ReadonlySet<Attack>, form: CommitForm): Attack[] {
  return ATTACKS.filter((attack) => on.has(attack) && (form === 'fenced' || !FENCED_ONLY.has(attack)));
}

/** Clients' clocks are wrong by this much at most. */
export const CLIENT_CLOCK_OFF_MAX_MS = 4 * 3_600_000;

export type AttackAct =
  | { readonly act: 'dates'; readonly dates: 'epoch' | 'future' | 'right' }
  | { readonly act: 'hasty-reap'; readonly record: number }
  | { readonly act: 'lose-indexes'; readonly file: number }
  | { readonly act: 'demote'; readonly ms: number }
  | { readonly act: 'heal' }
  | { readonly act: 'neighbour' }
  | { readonly act: 'clone' }
  | { readonly act: 'in-clone'; readonly work: 'compact' | 'reap' | 'gc'; readonly file: number }
  | { readonly act: 'client-clock'; readonly ms: number }
  | { readonly act: 'hold'; readonly forMs?: number }
  | { readonly act: 'release-hold' };

const file = fc.nat(1);
const dates = fc.constantFrom('epoch' as const, 'epoch' as const, 'future' as const, 'right' as const);

/** What such a script does besides; `null`: the attack is in its faults. */
export const ATTACK_ACTS: Readonly<Record<Attack, fc.Arbitrary<Act> | null>> = {
  'lying-store': null,
  'still-clocks': null,
  'store-dates': fc.record({ act: fc.constant('dates' as const), dates }),
  'hasty-reaper': fc.record({ act: fc.constant('hasty-reap' as const), record: fc.nat(5) }),
  'lost-indexes': fc.record({ act: fc.constant('lose-indexes' as const), file }),
  demoted: fc.oneof(
    { arbitrary: fc.record({ act: fc.constant('demote' as const), ms: fc.nat(1_000) }), weight: 3 },
    { arbitrary: fc.record({ act: fc.constant('heal' as const) }), weight: 1 },
  ),
  neighbour: fc.record({ act: fc.constant('neighbour' as const) }),
  clone: fc.oneof(
    { arbitrary: fc.record({ act: fc.constant('clone' as const) }), weight: 1 },
    {
      arbitrary: fc.record({
        act: fc.constant('in-clone' as const),
        work: fc.constantFrom('compact' as const, 'reap' as const, 'reap' as const, 'gc' as const),
        file,
      }),
      weight: 4,
    },
  ),
  'client-clocks': fc.record({
    act: fc.constant('client-clock' as const),
    ms: fc.integer({ min: -CLIENT_CLOCK_OFF_MAX_MS, max: CLIENT_CLOCK_OFF_MAX_MS }),
  }),
  holds: fc.oneof(
    { arbitrary: fc.record({ act: fc.constant('hold' as const) }), weight: 2 },
    {
      arbitrary: fc.record({ act: fc.constant('hold' as const), forMs: fc.integer({ min: 60_000, max: 7_200_000 }) }),
      weight: 2,
    },
    { arbitrary: fc.record({ act: fc.constant('release-hold' as const) }), weight: 1 },
  ),
};

const compact = { act: 'compact', file: 0, times: 1, rate: 1, small: false, turns: 0 } as const;
const grace: Step = { act: 'wait', wait: 'grace', part: 1, turns: 200 };
const writes: readonly Step[] = [0, 8, 16, 24].map((offset) => {
  return { act: 'write', file: 0, offset, len: 9, zero: false, upload: 'before', turns: 10 };
});
const inClone = (work: 'compact' | 'reap' | 'gc'): Step => ({ act: 'in-clone', work, file: 0, turns: 30 });

/** The record's second look, at which it deletes, falls on any moment of the hold's making. */
const heldRecord: readonly Step[] = [
  ...writes,
  { ...compact, turns: 30 },
  { act: 'wait', wait: 'due', part: 1, turns: 200 } as const,
  { act: 'hold', turns: 0 } as const,
  { act: 'wait', wait: 'due', part: 1, turns: 5 } as const,
  grace,
  { ...grace, part: 0.9 },
  { act: 'release-hold', turns: 60 } as const,
  grace,
];

/** How such a script may end: what must come together for the attack to do harm. */
export const ATTACK_TAILS: Partial<Record<Attack, readonly Step[]>> = {
  demoted: [
    ...writes,
    { act: 'demote', ms: 0, turns: 200 } as const,
    compact,
    compact,
    compact,
    grace,
    grace,
    { ...compact, turns: 200 },
    grace,
    grace,
    grace,
  ],
  holds: heldRecord,
  clone: [
    ...writes,
    { act: 'clone', turns: 200 } as const,
    inClone('compact'),
    grace,
    inClone('reap'),
    grace,
    inClone('reap'),
    grace,
    inClone('reap'),
    grace,
  ],
};

const at = fc.nat(8);
const size = fc.integer({ min: 0, max: 99 }).map((percent) => percent / 100);

/** Faults that belong to the attack. */
export const ATTACK_FAULTS: Partial<Record<Attack, fc.Arbitrary<PlannedFault>>> = {
  'lying-store': fc.record({
    on: fc.constantFrom(
      'objects.put' as const,
      'objects.put' as const,
      'objects.delete' as const,
      'objects.list' as const,
    ),
    at,
    fault: fc.constant('untrue' as const),
    size,
  }),
  'still-clocks': fc.record({
    on: fc.constantFrom(
      ...(['metadata.commit', 'objects.put', 'objects.get', 'metadata.getInode', 'metadata.readChunk'] as const),
      ...(['ledger.add', 'ledger.nowMs'] as const),
    ),
    at,
    fault: fc.constantFrom('pause-before' as const, 'pause-after' as const),
    size,
    still: fc.constant(true),
  }),
};
