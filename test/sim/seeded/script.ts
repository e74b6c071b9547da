/**
 * What happens in a seeded world: what clients do, which processes are started, which servers fail, and which calls a
 * fault strikes. fast-check makes a script from a seed and, when it fails, shrinks it to what is needed. Data only.
 */
import fc from 'fast-check';
import { ATTACK_ACTS, ATTACK_FAULTS, ATTACK_TAILS, type Attack, type AttackAct } from './attacks.ts';
import { directed, neglect } from './directed.ts';
import { BOUNDARIES, FAULTS, type PlannedFault } from './faults.ts';
import { GEOMETRY, type LosingServer } from './stage.ts';

/** How long the script waits: until the next record is due, or a part of these times. */
export const WAITS = ['due', 'second', 'grace', 'lease', 'day', 'neglect'] as const;

export interface WriteAct {
  readonly act: 'write';
  readonly file: number;
  readonly offset: number;
  readonly len: number;
  readonly zero: boolean;
  /**
   * late: the version is visible before its objects are there. slow: long after they are. dies: the client dies before it
   * is.
   */
  readonly upload: 'before' | 'late' | 'slow' | 'dies';
}

export type Act =
  | WriteAct
  | { readonly act: 'truncate'; readonly file: number; readonly length: number }
  | { readonly act: 'unlink'; readonly file: number }
  | { readonly act: 'remove'; readonly file: number }
  | { readonly act: 'read'; readonly file: number; readonly hold: number }
  | {
      readonly act: 'compact';
      readonly file: number;
      readonly times: number;
      readonly rate: number;
      readonly small: boolean;
    }
  | { readonly act: 'reap'; readonly times: number; readonly record: number }
  | { readonly act: 'gc'; readonly delete: boolean }
  | { readonly act: 'wait'; readonly wait: (typeof WAITS)[number]; readonly part: number }
  | { readonly act: 'lose'; readonly server: LosingServer; readonly ms: number }
  | { readonly act: 'step-clock'; readonly ms: number }
  | AttackAct;

/** `turns`: how many turns the world takes before the act. */
export type Step = Act & { readonly turns: number };

export interface Script {
  /** Writes that are done before anything else, without a fault. */
  readonly setup: readonly WriteAct[];
  readonly steps: readonly Step[];
  readonly faults: readonly PlannedFault[];
  readonly attack?: Attack;
  /** Seeds the order of turns. */
  readonly order: number;
}

export const FILES = 2;
const CHUNKS = 3;
const FILE_BYTES = CHUNKS * GEOMETRY.chunkSize;
/** All clock steps of a script together, milliseconds. */
export const CLOCK_STEP_MAX_MS = 20_000;
const STEPS_MAX = 40;
const CLOCK_STEP_MS = Math.floor(CLOCK_STEP_MAX_MS / STEPS_MAX);

const file = fc.oneof({ arbitrary: fc.constant(0), weight: 4 }, { arbitrary: fc.constant(1), weight: 1 });
const part = fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100);

const write: fc.Arbitrary<WriteAct> = fc
  .record({
    act: fc.constant('write' as const),
    file,
    offset: fc.nat(FILE_BYTES - 1),
    len: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: GEOMETRY.chunkSize })),
    zero: fc.oneof({ arbitrary: fc.constant(false), weight: 6 }, { arbitrary: fc.constant(true), weight: 1 }),
    upload: fc.oneof(
      { arbitrary: fc.constant('before' as const), weight: 8 },
      { arbitrary: fc.constant('late' as const), weight: 2 },
      { arbitrary: fc.constant('slow' as const), weight: 1 },
      { arbitrary: fc.constant('dies' as const), weight: 1 },
    ),
  })
  // A version never crosses a chunk.
  .map((act) => ({ ...act, len: Math.min(act.len, GEOMETRY.chunkSize - (act.offset % GEOMETRY.chunkSize)) }));

const acts: fc.Arbitrary<Act> = fc.oneof(
  { arbitrary: write, weight: 24 },
  { arbitrary: fc.record({ act: fc.constant('truncate' as const), file, length: fc.nat(FILE_BYTES) }), weight: 6 },
  { arbitrary: fc.record({ act: fc.constant('read' as const), file, hold: part }), weight: 6 },
  {
    arbitrary: fc.record({
      act: fc.constant('compact' as const),
      file,
      // The same job run twice at once is the same act, twice.
      times: fc.integer({ min: 1, max: 3 }),
      rate: fc.constantFrom(1, 1, 1, 0.5, 2),
      small: fc.oneof({ arbitrary: fc.constant(false), weight: 3 }, { arbitrary: fc.constant(true), weight: 1 }),
    }),
    weight: 21,
  },
  {
    arbitrary: fc.record({
      act: fc.constant('reap' as const),
      times: fc.integer({ min: 1, max: 3 }),
      record: fc.nat(5),
    }),
    weight: 18,
  },
  { arbitrary: fc.record({ act: fc.constant('gc' as const), delete: fc.boolean() }), weight: 9 },
  {
    arbitrary: fc.record({
      act: fc.constant('wait' as const),
      wait: fc.constantFrom(...WAITS),
      part,
    }),
    weight: 15,
  },
  {
    arbitrary: fc.record({
      act: fc.constant('lose' as const),
      server: fc.constantFrom('metadata' as const, 'queue' as const, 'both' as const),
      ms: fc.integer({ min: 1, max: 1_000 }),
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      act: fc.constant('step-clock' as const),
      ms: fc.integer({ min: -CLOCK_STEP_MS, max: CLOCK_STEP_MS }),
    }),
    weight: 3,
  },
  { arbitrary: fc.record({ act: fc.constant('unlink' as const), file }), weight: 1 },
  { arbitrary: fc.record({ act: fc.constant('remove' as const), file }), weight: 1 },
);

function stepsOf(some: fc.Arbitrary<Act>): fc.Arbitrary<Step> {
  return fc.tuple(some, fc.nat(40)).map(([act, turns]) => ({ ...act, turns }));
}

const fault = { fault: fc.constantFrom(...FAULTS.filter((one) => one !== 'untrue')), size: part };
const anywhere: fc.Arbitrary<PlannedFault> = fc.record({ at: fc.nat(240), ...fault });
const somewhere: fc.Arbitrary<PlannedFault> = fc.record({
  on: fc.constantFrom(...BOUNDARIES),
  at: fc.nat(5),
  ...fault,
});
/** A PUT whose answer is lost is tried again and settled by HEAD: only then is there a HEAD for a fault to strike. */
const atHead: fc.Arbitrary<readonly PlannedFault[]> = fc.tuple(fc.nat(3), fc.record(fault)).map(([at, head]) => [
  { on: 'objects.put', at, fault: 'fails-after', size: 0 },
  { on: 'objects.head', at: 0, ...head },
]);
/** What only gc calls comes late in a script, or never. */
const atGc: fc.Arbitrary<PlannedFault> = fc.record({
  on: fc.constantFrom('book.forget', 'book.forget', 'book.note', 'book.position', 'ledger.pending', 'objects.list'),
  at: fc.nat(1),
  ...fault,
});
const single = fc
  .oneof({ arbitrary: anywhere, weight: 8 }, { arbitrary: somewhere, weight: 2 }, { arbitrary: atGc, weight: 2 })
  .map((one): readonly PlannedFault[] => [one]);
const faults = fc.oneof({ arbitrary: single, weight: 12 }, { arbitrary: atHead, weight: 1 });

const setup = fc.array(write, { minLength: 4, maxLength: 14, size: 'max' });
const order = fc.nat();

/** Acts of the attack among the ordinary ones, and its faults among theirs. */
function scriptsOf(attack?: Attack): fc.Arbitrary<Script> {
  const [ownActs, ownFaults] = attack === undefined ? [] : [ATTACK_ACTS[attack], ATTACK_FAULTS[attack]];
  const some = ownActs ? fc.oneof({ arbitrary: acts, weight: 8 }, { arbitrary: ownActs, weight: 1 }) : acts;
  const ordinary = fc.array(faults, { maxLength: 16, size: 'max' }).map((list) => list.flat());
  const own = ownFaults === undefined ? fc.constant([]) : fc.array(ownFaults, { minLength: 1, maxLength: 6 });
  const tail = (attack === undefined ? undefined : ATTACK_TAILS[attack]) ?? [];
  return fc.record({
    setup,
    steps: fc
      .tuple(
        fc.array(stepsOf(some), { minLength: 2, maxLength: STEPS_MAX, size: 'max' }),
        fc.constantFrom([], tail, neglect),
      )
      .map(([first, last]) => [...first, ...last]),
    // Of two faults for one call the later one counts.
    faults: fc.tuple(ordinary, own).map(([some, more]) => [...some, ...more]),
    order,
    ...(attack === undefined ? {} : { attack: fc.constant(attack) }),
  });
}

/** Of so many scripts about 15 have no attack, and one takes a course that is given. */
const [FREE, DIRECTED, ATTACKED] = [15, 1, 2];

export function scriptsWith(attacks: readonly Attack[]): fc.Arbitrary<Script> {
  return fc.oneof(
    { arbitrary: scriptsOf(), weight: FREE },
    { arbitrary: directed({ setup, order }), weight: DIRECTED },
    ...attacks.map((attack) => ({ arbitrary: scriptsOf(attack), weight: ATTACKED })),
  );
}
