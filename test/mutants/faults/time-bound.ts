/** Faults in what keeps commits right on a service that compares and fences nothing (CurveFS, ADR 5 and 10). */
import { type Fault, fault } from '../fault.ts';

const COMMIT = 'src/compact/commit.ts';
const CHUNK = 'src/compact/compact-chunk.ts';
const QUIET = 'src/compact/quiet-period.ts';
const NAMES = 'src/plan/names.ts';
const ADAPTER = 'src/metadata/curvefs/commit.ts';

export const TIME_BOUND_FAULTS: readonly Fault[] = [
  fault('without a fence merged versions take the lowest id', 'I5', {
    file: NAMES,
    edits: [['mergedChunkId: below', 'mergedChunkId: lowest']],
  }),
  fault('chunks of one attempt count their merged versions from 0', 'I3', {
    file: NAMES,
    edits: [['(mergedBefore + n)', '(0 * mergedBefore + n)']],
  }),
  fault("numbers of merged versions are the built-in compactor's next ones", 'I3', {
    file: NAMES,
    edits: [['const NUMBER_STEP = 2;', 'const NUMBER_STEP = 1;']],
  }),
  fault('chunks of one attempt share an id', 'I3', {
    file: NAMES,
    edits: [['below > 0n && taken.has(below)', 'below > 0n && taken.has(-1n)']],
  }),
  fault('quiet is not looked at again before the commit', 'I5', {
    file: CHUNK,
    edits: [['await deps.beforeCommit?.();', '']],
  }),
  fault('what is beyond the length is trimmed after one look', 'I1', {
    file: QUIET,
    edits: [['if (second === null || digestOf(second) === first.digest) return second;', 'return planned;']],
  }),
  fault('a file counts as left alone by the clocks of its clients alone', 'I5', {
    file: QUIET,
    edits: [['if (first === undefined || attributesOf(inode) !== first.digest) {', 'if (first === undefined) {']],
  }),
  fault('the second look at a file comes at once', 'I5', {
    file: QUIET,
    edits: [
      ['elapsed(first.atMs, nowMs) < neededMs;', 'elapsed(first.atMs, nowMs) < 0 * neededMs;'],
      ['if (leftMs > 0) throw tooEarly(leftMs, leftMs);', ''],
    ],
  }),
  fault('a look by a clock that went back counts', 'I5', {
    file: QUIET,
    edits: [['&& before.atMs <= nowMs;', '&& nowMs !== 0;']],
  }),
  fault('a write by a clock that is ahead is none', 'I5', {
    file: QUIET,
    edits: [['const bySomebody = inode.changedMs !== undefined && ', 'const bySomebody = ']],
  }),
  fault('an old list without a fence is reported as a conflict', 'I6', {
    file: COMMIT,
    edits: [
      [
        "  return { outcome: { outcome: 'unknown', cause }, fenceCleared: true };",
        "  return { outcome: { outcome: 'conflict' }, fenceCleared: Boolean(cause) };",
      ],
    ],
  }),
  fault('records are stamped although another commit may come', 'I12', {
    file: 'src/compact/protocol.ts',
    edits: [['settle: (ledger, { id, record }) => ledger.expedite(id, record),', 'settle: FENCED.settle,']],
  }),
  fault('a commit is sent however old the look at the list is', 'I5', {
    file: ADAPTER,
    edits: [['if (deps.nowMs() - lookedMs > deps.timeoutMs) {', 'if (deps.nowMs() < lookedMs) {']],
  }),
  fault('a suspended machine believes its own clock alone', 'I7', {
    file: CHUNK,
    edits: [['beforeSend: async () => attempt.checkDue(await deps.ledger.nowMs(), deps.commitTimeoutMs),', '']],
  }),
  fault('a commit reported as failed is never looked for in the list', 'I6', {
    file: ADAPTER,
    edits: [['const applied = deps.again ?', 'const applied = deps.again && request.chunkIndex < 0 ?']],
  }),
  fault('a commit to an inode that the trash has deleted counts', 'I6', {
    file: ADAPTER,
    edits: [['(await isGone(key, deps))', '!(await isGone(key, deps)) && chunkIndex < 0']],
  }),
  fault('an inode that is being deleted is compacted', 'I12', {
    file: 'src/metadata/curvefs/convert.ts',
    edits: [['(message.dtime ?? 0) > 0 ? 0 : message.nlink', 'message.nlink']],
  }),
  fault('a list that was read with another one is believed at any age', 'I5', {
    file: 'src/metadata/curvefs/snapshots.ts',
    edits: [[' || this.#nowMs() - snapshot.atMs > AGE_MAX_MS', '']],
  }),
  fault('the list is not compared before the commit', 'I5', {
    file: ADAPTER,
    edits: [['if (stopped !== null) return stopped;', "if (stopped?.outcome === 'stale') return stopped;"]],
  }),
  fault('the counter of an inode is not met', 'I8', {
    file: ADAPTER,
    edits: [['toRemoveEnds(request.replaced), {', 'toRemoveList(request.replaced), {']],
  }),
];
