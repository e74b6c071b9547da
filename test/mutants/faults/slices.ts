/** Faults in what is said of volumes in the slice layout, and in what keeps them from being touched. */
import { type Fault, fault } from '../fault.ts';

const PLAN = 'src/layout/slices/plan.ts';
const FSCK = 'src/fsck/check-slices.ts';

export const SLICE_FAULTS: readonly Fault[] = [
  fault('zeros that were written count as data', 'I1', {
    file: 'src/layout/slices/pieces.ts',
    edits: [['if (record.id !== 0n) pieces.push', 'pieces.push']],
  }),
  fault('the last block of a slice is named as a whole one', 'I1', {
    file: 'src/layout/slices/objects.ts',
    edits: [['return Math.min(blockSize, size - n * blockSize);', 'return blockSize;']],
  }),
  fault('a record that shows more than its slice has is believed', 'I10', {
    file: 'src/layout/slices/pieces.ts',
    edits: [['return from + len > size ?', 'return from > size ?']],
  }),
  fault('a plan for slices writes holes', 'I1', {
    file: PLAN,
    edits: [['if (last?.at(-1)?.end === piece.begin) last.push(piece);', 'if (last !== undefined) last.push(piece);']],
  }),
  fault('a plan for slices stores more than before', 'I1', {
    file: PLAN,
    edits: [['if (reclaimed < 0 || gain.recordsAfter', 'if (gain.recordsAfter']],
  }),
  fault('a plan counts a slice as freed that a clone names', 'I10', {
    file: PLAN,
    edits: [
      [
        'if (input.referencesOf(slice.record) > slice.records) shared.add(id);',
        'if (slice.records < 0) shared.add(id);',
      ],
    ],
  }),
  fault('a plan for slices leaves something to the next one', 'I8', {
    file: PLAN,
    edits: [['if (round === null) return plan;', 'if (round === null || plan !== null) return plan;']],
  }),
  fault('a client is said to leave alone what it rewrites', 'I1', {
    file: 'src/layout/slices/quiet.ts',
    edits: [['head.len * KEPT_SHARE < span.bytes', 'head.len * KEPT_SHARE < 0']],
  }),
  fault('fsck of slices alarms about what was replaced meanwhile', 'I10', {
    file: FSCK,
    edits: [['if (again.has(id)) this.#add', 'this.#add']],
  }),
  fault('fsck of slices takes any size', 'I10', {
    file: FSCK,
    edits: [['|| head.bytes === bytes) return null;', '|| head.bytes >= 0) return null;']],
  }),
  fault('lists behind the end of a file are not found', 'I12', {
    file: 'src/metadata/juicefs/walk.ts',
    edits: [['if (chunkIndex >= asked) yield', 'if (chunkIndex < 0) yield']],
  }),
  fault('one damaged list hides the others of its page', 'I10', {
    file: 'src/metadata/juicefs/reads.ts',
    edits: [["if (replyCode(error) === 'WRONGTYPE') return noList(key);", '']],
  }),
  fault('a command that acts starts on a volume that is only read', 'I10', {
    file: 'src/cli/main.ts',
    edits: [['if (layouts.length > 1 ||', 'if (layouts.length > 0 ||']],
  }),
];
