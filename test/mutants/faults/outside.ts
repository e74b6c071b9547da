/** Faults at the edges: objects, the queue, quarantine, settings. */
import { type Fault, fault } from '../fault.ts';

const BODY = 'src/objects/s3/range-body.ts';
const MERGE = 'src/compact/merge.ts';
const LEDGER = 'src/queue/reap-queue.ts';
const RELATIONS = 'src/config/relations.ts';

export const OUTSIDE_FAULTS: readonly Fault[] = [
  fault('a short object is accepted', 'I1', {
    file: BODY,
    edits: [
      ['if (bytes < wanted)', 'if (bytes < 0)'],
      ['if (this.#filled === this.#range.target.length)', 'if (this.#filled >= 0)'],
    ],
  }),
  fault('an answer that breaks off is accepted', 'I1', {
    file: BODY,
    edits: [['if (this.#filled === this.#range.target.length)', 'if (this.#filled >= 0)']],
  }),
  fault('a whole object is accepted as the range at an offset', 'I1', {
    file: BODY,
    edits: [['offset === 0 && contentLength', 'contentLength']],
  }),
  fault('a missing object reads as a hole', 'I1', {
    file: MERGE,
    edits: [['only.to + only.len), options.signal)', 'only.to + only.len), options.signal).catch(() => undefined)']],
  }),
  fault('a name that is taken is accepted without a look', 'I3', {
    file: MERGE,
    edits: [["=== 'created') return;", '!== undefined) return;']],
  }),
  fault('a name that is taken is accepted with another checksum', 'I3', {
    file: MERGE,
    edits: [[' && head.crc32 === crc32(body)', '']],
  }),
  fault('a block that fails leaves its reads running', 'I4', {
    file: 'src/compact/read-pump.ts',
    edits: [
      [
        'block.running === 0 && (allBegun || failure !== undefined)',
        '(block.running === 0 && allBegun) || failure !== undefined',
      ],
    ],
  }),
  fault('merging does not reserve memory', 'I8', {
    file: 'src/compact/memory-budget.ts',
    edits: [
      [
        'return this.#semaphore.runExclusive(async () => {',
        'return (async (run: () => Promise<T>, _units: number) => run())(async () => {',
      ],
    ],
  }),
  fault('a buffer that is used again keeps what was in it', 'I1', {
    file: MERGE,
    edits: [['if (!isTiled(block)) body.fill(0);', '']],
  }),
  fault('an object is written whether its name is taken or not', 'I3', {
    file: 'src/objects/s3/data-path-fast.ts',
    edits: [["...(conditional ? ([['if-none-match', '*']] as const) : NONE),", '']],
  }),
  fault('expedite drops a record that somebody looks at', 'I12', {
    file: LEDGER,
    edits: [['if (!(await this.#change(jobId, due))) await this.add(due);', 'await this.#change(jobId, due);']],
  }),
  fault('a stamp does not add a record that is gone', 'I12', {
    file: LEDGER,
    edits: [
      ['if (!(await this.#change(jobId, record))) await this.add(record);', 'await this.#change(jobId, record);'],
    ],
  }),
  fault('a record that is taken under a change counts as changed', 'I12', {
    file: LEDGER,
    edits: [['if (isGoneOrTaken(error)) return false;', 'if (isGoneOrTaken(error)) return true;']],
  }),
  fault('a damaged inode is never quarantined', 'I10', {
    file: 'src/wiring/run-inode.ts',
    edits: [['const rule = quarantineRule(error.code);', "const rule = 'never' as ReturnType<typeof quarantineRule>;"]],
  }),
  fault('a request during a run is forgotten', 'I9', {
    file: 'src/queue/compact-queue.ts',
    edits: [[', keepLastIfActive: true', '']],
  }),
  fault('the grace period may be shorter than readers keep old lists', 'I11', {
    file: RELATIONS,
    edits: [['settings.graceMs > settings.readerCacheLifeMs', 'settings.graceMs >= 0']],
  }),
  fault('a lease may be shorter than a run', 'I11', {
    file: RELATIONS,
    edits: [['settings.leaseMs > settings.maxRunMs + runTailMs(settings)', 'settings.leaseMs > 0']],
  }),
];
