/**
 * The life of a file in the planner's eyes: appends, zero versions, truncates, growths and compactions of any chunk in any
 * order, with writes that land between read and commit, through many re-compactions. After every step the whole file must
 * read as its history allows (I1), and at the end no object is left that no list references.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { History } from '../kit/oracle/history.ts';
import { referencedObjects } from '../kit/oracle/layout.ts';
import type { OracleGeometry } from '../kit/oracle/types.ts';
import { budgets, geometries, type Piece, pieces, policies, runs, seedOf, VersionMaker } from './arbitrary.ts';
import { MemoryFile } from './memory-file.ts';
import { verifyDecision, verifyFigures } from './verify.ts';

const seed = seedOf('plan life');
const CHUNKS = 3;

interface Write {
  readonly chunk: number;
  readonly piece: Piece;
}

const write = fc.record({ chunk: fc.nat(CHUNKS - 1), piece: pieces });
const steps = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant('write'), write }), weight: 6 },
  { arbitrary: fc.record({ kind: fc.constant('length'), length: fc.nat(96 * CHUNKS) }), weight: 1 },
  {
    arbitrary: fc.record({
      kind: fc.constant('compact'),
      chunk: fc.nat(CHUNKS - 1),
      policy: policies,
      budget: fc.option(budgets, { nil: undefined }),
      /** Land between the read and the commit. */
      meanwhile: fc.array(write, { maxLength: 2 }),
      newLength: fc.option(fc.nat(96 * CHUNKS), { nil: undefined, freq: 5 }),
    }),
    weight: 3,
  },
);
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;
type Compact = Extract<Step, { kind: 'compact' }>;

/** A file, its writer's memory, and the attempts made on it. */
class Life {
  readonly #file: MemoryFile;
  readonly #history: History;
  readonly #maker = new VersionMaker();
  #attempts = 0n;

  constructor(geometry: OracleGeometry) {
    this.#file = new MemoryFile({
      fsId: 1,
      inodeId: 1000n,
      objectPrefix: 0,
      geometry,
      length: 0,
      lists: new Map(),
    });
    this.#history = new History(geometry);
  }

  run(step: Step): void {
    if ('write' in step) this.#write(step.write);
    else if ('length' in step) this.#setLength(step.length);
    else this.#compact(step as Compact);
    expect(this.#history.mismatch(this.#file.read())).toBeNull();
  }

  /** Compacts everything that is left, and expects that nothing but what is referenced remains. */
  finish(): void {
    const policy = { fragmentThreshold: 0, readGapBytes: 0 } as const;
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      this.#compact({ kind: 'compact', chunk, policy, budget: undefined, meanwhile: [], newLength: undefined });
      expect(verifyDecision(this.#file.planInput(chunk, { policy }), 1n)).toBeNull();
    }
    expect(this.#history.mismatch(this.#file.read())).toBeNull();
    expect(new Set(this.#file.objects.keys())).toEqual(new Set(referencedObjects(this.#file).keys()));
  }

  #write({ chunk, piece }: Write): void {
    const version = this.#maker.make(piece, chunk, this.#file.geometry);
    this.#file.append(version);
    this.#history.append(version);
    this.#setLength(Math.max(this.#file.length, version.offset + version.len));
  }

  #setLength(length: number): void {
    this.#file.length = length;
    this.#history.setLength(length);
  }

  #compact(step: Compact): void {
    const { policy, budget } = step;
    const input = this.#file.planInput(step.chunk, { policy, ...(budget === undefined ? {} : { budget }) });
    // 12 bits count the merged versions of one attempt.
    const attempt = ++this.#attempts << 12n;
    const plan = verifyDecision(input, attempt);
    if (plan === null) return;
    verifyFigures(input, plan, attempt);
    for (const meanwhile of step.meanwhile) this.#write(meanwhile);
    if (step.newLength !== undefined) this.#setLength(step.newLength);
    const stale = plan.requiredLength !== undefined && plan.requiredLength !== this.#file.length;
    if (!stale) this.#file.commit(plan, attempt);
  }
}

it('I1 I2 I3: a file reads right through any life', { timeout: runs(180_000) }, () => {
  fc.assert(
    fc.property(geometries, fc.array(steps, { minLength: 5, maxLength: 60, size: 'max' }), (geometry, life) => {
      const file = new Life(geometry);
      for (const step of life) file.run(step);
      file.finish();
    }),
    { seed, numRuns: runs(1000) },
  );
});
