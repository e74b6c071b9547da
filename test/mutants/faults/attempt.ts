/** Faults in an attempt: its number, its lease, the order of its steps, and how it learns the fate of a commit. */
import { type Fault, fault } from '../fault.ts';

const ATTEMPT = 'src/compact/attempt.ts';
const CHUNK = 'src/compact/compact-chunk.ts';
const COMMIT = 'src/compact/commit.ts';
const KNOWN = "if (outcome.outcome !== 'unknown') return { outcome, fenceCleared: false };";
const ADD_RECORDS = 'for (const record of records) added.push({ id: await deps.ledger.add(record), record });';

export const ATTEMPT_FAULTS: readonly Fault[] = [
  fault('an unknown commit is treated as failed, without a look', 'I6', {
    file: COMMIT,
    edits: [
      [
        KNOWN,
        `if (outcome.outcome === 'unknown') return { outcome: { outcome: 'conflict' }, fenceCleared: false };\n  ${KNOWN}`,
      ],
    ],
  }),
  fault('an unknown commit is treated as committed', 'I6', {
    file: COMMIT,
    edits: [
      [
        KNOWN,
        `if (outcome.outcome === 'unknown') return { outcome: { outcome: 'committed' }, fenceCleared: false };\n  ${KNOWN}`,
      ],
    ],
  }),
  fault('a lost commit is read back before the fence is cleared', 'I6', {
    file: COMMIT,
    edits: [['const after = await readHead(request, deps);', 'const after = before;']],
  }),
  fault('an empty replacement is taken as a proof', 'I6', {
    file: COMMIT,
    edits: [['fenceStood && replacedBefore', 'true']],
  }),
  fault('the lease is not checked before the commit', 'I7', {
    file: COMMIT,
    edits: [['attempt.checkLease(deps.commitTimeoutMs);', '']],
  }),
  fault('the lease is not checked before a PUT', 'I7', {
    file: CHUNK,
    edits: [['beforePut: () => attempt.checkLease(0) }', 'beforePut: () => undefined }']],
  }),
  fault('the lease is not checked again after a PUT has waited for its turn', 'I7', {
    file: 'src/compact/merge.ts',
    edits: [['options.objects.guarded?.(options.beforePut) ?? options.objects', 'options.objects']],
  }),
  fault('commit before the PUTs are acknowledged', 'I4', {
    file: CHUNK,
    edits: [
      ['await writeMergedObjects(tasks, {', 'const writing = writeMergedObjects(tasks, {'],
      [
        "committed = outcome.outcome === 'committed';",
        "await writing;\n    committed = outcome.outcome === 'committed';",
      ],
    ],
  }),
  fault('no reap record before the PUTs', 'I12', {
    file: CHUNK,
    edits: [
      [ADD_RECORDS, ''],
      ['// I4: every merged object is acknowledged when this line is reached.', ADD_RECORDS],
    ],
  }),
  fault('the stamp makes a record due at once', 'I7', {
    file: 'src/compact/protocol.ts',
    edits: [['dueMs: later(stampMs, graceMs)', 'dueMs: stampMs']],
  }),
  fault('records of a failed attempt are not handed over', 'I12', {
    file: CHUNK,
    edits: [['if (!committed) attempt.abandoned.push(...added);', '']],
  }),
  fault('the number of an attempt has no random bits', 'I3', {
    file: ATTEMPT,
    edits: [['| (BigInt(this.#random(2 ** RANDOM_BITS)) << BigInt(MERGED_VERSION_BITS))', '']],
  }),
  fault('the number of an attempt follows a clock that steps back', 'I3', {
    file: ATTEMPT,
    edits: [['Math.max(Math.floor(wallMs(nowMs)), this.#lastMs + 1)', 'Math.floor(wallMs(nowMs))']],
  }),
  fault('objects are named by the highest compaction + 1', 'I3', {
    file: 'src/plan/names.ts',
    edits: [
      [
        '({ mergedBefore = 0 }: ChunkPlan, attempt: bigint, n: number): bigint {\n  return attempt + BigInt(NUMBER_STEP * (mergedBefore + n));',
        '({ replaced }: ChunkPlan, _attempt: bigint, n: number): bigint {\n  return replaced.reduce((most, one) => (one.compaction > most ? one.compaction : most), 0n) + 1n + BigInt(n);',
      ],
    ],
  }),
  fault('parts of a list are taken for one list whatever the fence', 'I1', {
    file: 'src/compact/long-list.ts',
    edits: [['part.inode.attempt === head.inode?.attempt && ', '']],
  }),
  fault('parts of a list are taken for one list though it has become shorter', 'I1', {
    file: 'src/compact/long-list.ts',
    edits: [[' && part.versionsTotal >= head.versionsTotal', '']],
  }),
  fault('all versions of a long list are read, however many', 'I8', {
    file: 'src/compact/long-list.ts',
    edits: [['Math.min(head.versionsTotal, VERSIONS_SEEN_MAX)', 'head.versionsTotal']],
  }),
  fault('the commit of a head is sent without what it counts on', 'I5', {
    file: 'src/compact/compact-chunk.ts',
    edits: [['requiredAbove: plan.requiredAbove,', '']],
  }),
];
