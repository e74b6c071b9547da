/**
 * Random histories of one inode against a model of a few lines: appends, truncates, unlinks, fences and commits, right,
 * late and wrong ones. The model is what docs/design.md says, not what any adapter does; it shares no code with them.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CommitOutcome } from '../../src/metadata/port.ts';
import type { InodeKey, S3ChunkInfo } from '../../src/model.ts';
import { INODE, type MetadataTraits, type MetadataWorld, mergedOf, version } from './world.ts';

const RUNS = 150;

type Step =
  | { readonly do: 'append'; readonly chunk: number; readonly count: number }
  | { readonly do: 'length'; readonly length: number }
  | { readonly do: 'links'; readonly nlink: number }
  | { readonly do: 'begin'; readonly attempt: bigint }
  | { readonly do: 'clear'; readonly attempt: bigint }
  | {
      readonly do: 'commit';
      readonly chunk: number;
      readonly attempt: bigint;
      /** Share of the list that is replaced, in sevenths; more than seven: more than is there. */
      readonly sevenths: number;
      /** Position of a version that was read wrongly; beyond the list: none. */
      readonly wrongAt: number;
      readonly keep: number;
      readonly merged: number;
      readonly length: number | undefined;
    };

const chunk = fc.integer({ min: 0, max: 1 });
/** Few attempts, so that the right one is often met; two differ only beyond 2^53. None is near what versions are numbered with here. */
const attempt = fc.constantFrom(2n ** 40n, 2n ** 53n, 2n ** 53n + 1n);
const length = fc.integer({ min: 0, max: 2 });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append'), chunk, count: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('length'), length }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('links'), nlink: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('begin'), attempt }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear'), attempt }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('commit'),
      chunk,
      attempt,
      sevenths: fc.integer({ min: 1, max: 8 }),
      wrongAt: fc.integer({ min: 0, max: 40 }),
      keep: fc.integer({ min: 0, max: 5 }),
      merged: fc.integer({ min: 0, max: 3 }),
      length: fc.option(length, { nil: undefined }),
    }),
  },
);

interface Model {
  length: number;
  nlink: number;
  attempt: bigint | undefined;
  readonly lists: [S3ChunkInfo[], S3ChunkInfo[]];
}

export function modelContract(world: () => MetadataWorld, traits: MetadataTraits): void {
  // Without a comparison an adapter may answer otherwise, and is tested by its own suite.
  if (!traits.comparesContent) return;
  test('I2, I5, I9: every history ends as the model says', async () => {
    let inodeId = 1000n;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const key = { fsId: 7, inodeId: inodeId++ };
        await runHistory(world(), key, { steps, traits });
      }),
      { numRuns: RUNS },
    );
  });
}

async function runHistory(
  world: MetadataWorld,
  key: InodeKey,
  { steps, traits }: { readonly steps: readonly Step[]; readonly traits: MetadataTraits },
): Promise<void> {
  const model: Model = { length: 0, nlink: 1, attempt: undefined, lists: [[], []] };
  await world.putInode({ ...INODE, key, length: 0 });
  let next = 1;
  for (const one of steps) {
    if (one.do === 'append') {
      const added = Array.from({ length: one.count }, () => version(next++));
      await world.append(key, one.chunk, added);
      model.lists[one.chunk]?.push(...added);
    } else if (one.do === 'length') {
      await world.setLength(key, one.length);
      model.length = one.length;
    } else if (one.do === 'links') {
      await world.setLinks(key, one.nlink);
      model.nlink = one.nlink;
    } else if (one.do === 'begin') {
      const taken = model.attempt === one.attempt ? 'taken' : 'begun';
      expect(await world.store.begin(key, one.attempt)).toBe(model.nlink > 0 ? taken : 'unlinked');
      if (model.nlink > 0 && traits.fence) model.attempt = one.attempt;
    } else if (one.do === 'clear') {
      expect(await world.store.clearFence(key, one.attempt)).toBe(model.attempt === one.attempt);
      if (model.attempt === one.attempt) model.attempt = undefined;
    } else {
      next = await commitBoth(world, key, { one, model, next, traits });
    }
    await expectSame(world, key, model);
  }
}

async function commitBoth(
  world: MetadataWorld,
  key: InodeKey,
  state: {
    readonly one: Extract<Step, { do: 'commit' }>;
    readonly model: Model;
    readonly next: number;
    readonly traits: MetadataTraits;
  },
): Promise<number> {
  const { one, model, traits } = state;
  let { next } = state;
  const list = model.lists[one.chunk] ?? [];
  const count = Math.max(1, Math.ceil((list.length * one.sevenths) / 7));
  const replaced = Array.from({ length: count }, (_, n) => list[n] ?? version(next++));
  const wrong = one.wrongAt < count;
  if (wrong) replaced[one.wrongAt] = version(next++);
  const merged = Array.from({ length: one.merged }, () => mergedOf(next++, replaced));
  const replacement = [...merged, ...replaced.slice(0, one.keep)];
  const fits = !wrong && count <= list.length;
  const expected = outcomeOf(model, one, { fits, traits, cut: count < list.length });
  const request = { key, chunkIndex: one.chunk, attempt: one.attempt, replaced, replacement };
  const outcome = await world.store.commit({
    ...request,
    ...(one.length === undefined ? {} : { requiredLength: one.length }),
  });
  // The contract leaves open which of several reasons is told.
  const { cause: _, ...told } = { cause: undefined, ...outcome };
  expect(expected).toContainEqual(told);
  if (outcome.outcome === 'committed') list.splice(0, count, ...replacement);
  return next;
}

/** An outcome without its cause. */
type Told =
  | Omit<Extract<CommitOutcome, { outcome: 'unknown' }>, 'cause'>
  | Exclude<CommitOutcome, { outcome: 'unknown' }>;

/** All outcomes that are true. */
function outcomeOf(
  model: Model,
  one: Extract<Step, { do: 'commit' }>,
  seen: { readonly fits: boolean; readonly cut: boolean; readonly traits: MetadataTraits },
): readonly Told[] {
  const outcomes: Told[] = [];
  if (model.nlink === 0) outcomes.push({ outcome: 'stale', reason: 'unlinked' });
  if (seen.traits.fence && model.attempt !== one.attempt) outcomes.push({ outcome: 'stale', reason: 'fence' });
  if (one.length !== undefined && one.length !== model.length) outcomes.push({ outcome: 'stale', reason: 'length' });
  if (!seen.fits) outcomes.push({ outcome: 'conflict' });
  if (outcomes.length > 0) return outcomes;
  // A head that ends within what was appended, or committed, at once: it may be refused, and then nothing has changed.
  const refused: Told[] = seen.cut && !seen.traits.anyHead ? [{ outcome: 'conflict' }, { outcome: 'unknown' }] : [];
  return [{ outcome: 'committed' }, ...refused];
}

async function expectSame(world: MetadataWorld, key: InodeKey, model: Model): Promise<void> {
  const { length: inodeLength, nlink, attempt: fence } = model;
  const inode = { ...INODE, key, length: inodeLength, nlink, ...(fence === undefined ? {} : { attempt: fence }) };
  for (const [chunkIndex, list] of model.lists.entries()) {
    const snapshot = await world.store.readChunk(key, chunkIndex, 1000);
    expect(snapshot).toEqual({ inode, versions: list, versionsTotal: list.length });
    expect(await world.list(key, chunkIndex)).toEqual(list);
  }
  const indexes: number[] = [];
  for await (const chunkIndex of world.store.chunkIndexes(key)) indexes.push(chunkIndex);
  expect(indexes.toSorted()).toEqual([0, 1].filter((n) => model.lists[n]?.length));
}
