/** Faults in planning: lists that read otherwise, objects read at the wrong place, budgets that do not bind. */
import { type Fault, fault } from '../fault.ts';

export const PLAN_FAULTS: readonly Fault[] = [
  fault('merged versions come last in the replacement list', 'I2', {
    file: 'src/plan/names.ts',
    edits: [
      [
        '[...merged.filter((_, n) => !above(n)), ...plan.kept,',
        '[...plan.kept, ...merged.filter((_, n) => !above(n)),',
      ],
    ],
  }),
  fault('a merged version lies below a kept one that reaches under it', 'I1', {
    file: 'src/plan/candidates.ts',
    edits: [['above: above.has(run)', 'above: false']],
  }),
  fault('what remains of a block forgets the pieces behind the last run', 'I1', {
    file: 'src/plan/keep.ts',
    edits: [['[...runs, { from: view.dataTo, to: view.dataTo }]', 'runs']],
  }),
  fault('merged versions take the highest chunkId', 'I2', {
    file: 'src/plan/chunk.ts',
    edits: [['version.chunkId < lowest.chunkId', 'version.chunkId > lowest.chunkId']],
  }),
  fault('a kept version starts inside a block', 'I1', {
    file: 'src/plan/keep.ts',
    edits: [['Math.max((versions[piece.version] ?? outside()).offset, blockBegin)', 'piece.begin']],
  }),
  fault('a wrong index reads as offset 0', 'I1', {
    file: 'src/plan/valid-ranges.ts',
    edits: [['begin: this.begins[n] ?? outside()', 'begin: this.begins[n] ?? 0']],
  }),
  fault('drops bytes beyond the length without requiring the length', 'I1', {
    file: 'src/plan/chunk.ts',
    edits: [['...(beyond ? { requiredLength: input.length } : {}),', '']],
  }),
  fault('a zero version is dropped where it hides data', 'I1', {
    file: 'src/plan/keep.ts',
    edits: [['if (block.zeros.length === 0) return data;', 'return data;']],
  }),
  fault("offsets in an object count from its version's start in every block", 'I1', {
    file: 'src/plan/merge-block.ts',
    edits: [['piece.begin - Math.max(offset, begin)', 'piece.begin - offset']],
  }),
  fault('the budget of bytes does not bind', 'I8', {
    file: 'src/plan/chunk.ts',
    edits: [['movedBytes(total) > budget.bytes || ', '']],
  }),
  fault('what lies above the head of a long list hides nothing', 'I1', {
    file: 'src/plan/blocks.ts',
    edits: [['input.above?.extents ?? []', '[]']],
  }),
  fault('extents above that overlap are joined to the end of the last one', 'I1', {
    file: 'src/plan/above.ts',
    edits: [['last.len = Math.max(last.len, offset + len - last.offset);', 'last.len = offset + len - last.offset;']],
  }),
  fault('extents above that do not touch are joined', 'I1', {
    file: 'src/plan/above.ts',
    edits: [['offset > last.offset + last.len', 'offset > last.offset + last.len + 1']],
  }),
  fault('a plan does not count on what hides its head', 'I5', {
    file: 'src/plan/chunk.ts',
    edits: [['...(input.above === undefined ? {} : { requiredAbove: input.above.last }),', '']],
  }),
  fault('a plan may store more than before', 'I8', {
    file: 'src/plan/space.ts',
    edits: [['if (excess <= 0) return 0;', 'if (excess < Number.POSITIVE_INFINITY) return 0;']],
  }),
  fault('nothing is reclaimed however much nobody reads', 'I8', {
    file: 'src/plan/space.ts',
    edits: [['const DEAD_SHARES = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 0];', 'const DEAD_SHARES: number[] = [];']],
  }),
  fault('an object counts as freed while pieces of it stay', 'I8', {
    file: 'src/plan/block-space.ts',
    edits: [
      ['return left === 0 ? this.#objectBytes(pieces, version) : 0;', 'return this.#objectBytes(pieces, version);'],
    ],
  }),
  fault('a narrowed version forgets how long its objects are', 'I8', {
    file: 'src/plan/keep.ts',
    edits: [['Math.max(len, version.size - (part.begin - version.offset))', 'len']],
  }),
  fault('under a budget blocks grow for which nothing makes room', 'I8', {
    file: 'src/plan/chunk.ts',
    edits: [['if (growth <= roomBytes) break;', 'if (growth < Number.POSITIVE_INFINITY) break;']],
  }),
  fault('what was written a moment ago is merged like anything else', 'I8', {
    file: 'src/plan/runs.ts',
    edits: [['return [NEW_FACTOR];', 'return [1];']],
  }),
  fault('what is at rest is merged like anything else', 'I8', {
    file: 'src/plan/runs.ts',
    edits: [['return [REST_FACTOR, NEW_FACTOR];', 'return [1, NEW_FACTOR];']],
  }),
  fault('what a plan merged counts as at rest at once', 'I8', {
    file: 'src/plan/runs.ts',
    edits: [['compaction > rest.compaction', 'compaction < 0n']],
  }),
  fault('right after a plan a chunk at rest holds work at the lower price', 'I8', {
    file: 'src/plan/runs.ts',
    edits: [['return [REST_FACTOR, NEW_FACTOR];', 'return [REST_FACTOR];']],
  }),
];
