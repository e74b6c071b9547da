/** Faults at the edges: objects, the queue, quarantine, settings. */
import { type Fault, fault } from '../fault.ts';

const BODY = 'src/objects/s3/range-body.ts';
const ANSWERS = 'src/objects/s3/answers.ts';
const MERGE = 'src/compact/merge.ts';
const LEDGER = 'src/queue/reap-queue.ts';
const RELATIONS = 'src/config/relations.ts';

export const OUTSIDE_FAULTS: readonly Fault[] = [
  fault('a short object is accepted', 'I1', {
    file: BODY,
    edits: [
      ['if (bytes < target.length)', 'if (bytes < 0)'],
      ['if (this.#filled !== this.#length)', 'if (this.#filled < 0)'],
    ],
  }),
  fault('an answer that breaks off is accepted', 'I1', {
    file: BODY,
    edits: [['if (this.#filled !== this.#length)', 'if (this.#filled < 0)']],
  }),
  fault('a whole object is accepted as the range at an offset', 'I1', {
    file: BODY,
    edits: [['offset !== 0 || head.contentLength', 'head.contentLength']],
  }),
  fault('a missing object reads as a hole', 'I1', {
    file: MERGE,
    edits: [['only.to + only.len), signal)', 'only.to + only.len), signal).catch(() => undefined)']],
  }),
  fault('a name that is taken is accepted without a look', 'I3', {
    file: MERGE,
    edits: [["=== 'created') return;", '!== undefined) return;']],
  }),
  fault('a name that is taken is accepted with another checksum', 'I3', {
    file: MERGE,
    edits: [['return checksum === crc32(body);', 'return true;']],
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
    edits: [["...(form.conditional ? ([['if-none-match', '*']] as const) : NONE),", '']],
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
    edits: [["if (quarantineRule(error.code) === 'now') {", "if (quarantineRule(error.code) === 'never') {"]],
  }),
  fault('an object that may still be uploaded stops work on its inode', 'I8', {
    file: 'src/wiring/run-inode.ts',
    edits: [['  if (leftMs > 0) return { ...later', '  if (leftMs > deps.uploadWaitMs) return { ...later']],
  }),
  fault('the reason of a quarantine says that the work is repeated', 'I8', {
    file: 'src/wiring/run-inode.ts',
    edits: [['reason: message, sinceMs: atMs, lookAtMs', 'reason: later.message, sinceMs: atMs, lookAtMs']],
  }),
  fault('gc deletes on after it was stopped', 'I10', {
    file: 'src/gc/gc.ts',
    edits: [['guards: [...stop, ...', 'guards: [...']],
  }),
  fault('an inode whose missing object has come stays in quarantine', 'I8', {
    file: 'src/queue/quarantine.ts',
    edits: [['.hdel(this.#hash, printInodeKey(key));', '.exists(this.#hash);']],
  }),
  fault('runs that missed an object count although one went well in between', 'I8', {
    file: 'src/queue/quarantine.ts',
    edits: [['hasNotes: entry !== null || counted === 1', 'hasNotes: entry !== null']],
  }),
  fault('a scan passes over an inode whose next look is due', 'I8', {
    file: 'src/queue/quarantine.ts',
    edits: [["typeof text === 'string' && !isDue(parseEntry(text), nowMs)", "typeof text === 'string'"]],
  }),
  fault('a damaged inode is looked at again by itself', 'I10', {
    file: 'src/wiring/run-inode.ts',
    edits: [['?.lookAtMs !== undefined) await deps', '?.lookAtMs === null) await deps']],
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
  fault('a name that is taken and tells no checksum is accepted unread', 'I3', {
    file: MERGE,
    edits: [['if (!read.equals(expected)) return false;', '']],
  }),
  fault("a name that is taken and tells no checksum is another's", 'I3', {
    file: MERGE,
    edits: [['if (checksum !== undefined) return checksum', 'return checksum']],
  }),
  fault('a PUT is acknowledged by any 2xx on the fast path', 'I4', {
    file: 'src/objects/s3/data-path-fast.ts',
    edits: [["        checkPromised('put', { ...answer, body: answer.body.toString('latin1') });\n", '']],
  }),
  fault('a 2xx answer with a document of an error is a success', 'I4', {
    file: ANSWERS,
    edits: [["return answer.body.trim() === '' ? undefined", 'return answer.status === 200 ? undefined']],
  }),
  fault('a PUT without an ETag is acknowledged', 'I4', {
    file: ANSWERS,
    edits: [["put: { status: 200, headers: ['etag'] },", 'put: { status: 200, headers: [] },']],
  }),
  fault('any answer of another 2xx status is believed', 'I4', {
    file: ANSWERS,
    edits: [['if (answer.status !== status) return', 'if (answer.status >= 300) return']],
  }),
  fault('half a listing is a whole one', 'I10', {
    file: ANSWERS,
    edits: [["(closed === '/' || last > start) && behindMisc(text, behind) === text.length", 'true']],
  }),
  fault('a document of any root is a listing', 'I10', {
    file: ANSWERS,
    edits: [['if (name !== root) return false;', 'if (name === undefined) return false;']],
  }),
  fault('a listing that does not say whether it is whole is whole', 'I10', {
    file: 'src/objects/s3/store.ts',
    edits: [['if (answer.IsTruncated === undefined)', 'if (answer.IsTruncated === null)']],
  }),
  fault('a name that a batch does not account for is deleted', 'I12', {
    file: 'src/objects/s3/deletes.ts',
    edits: [['missing: [...left]', 'missing: []']],
  }),
  fault('a page of the right length is the object', 'I1', {
    file: BODY,
    edits: [["if (head.status !== 200 || (head.etag ?? '') === '')", 'if (head.status !== 200)']],
  }),
  fault('one refusal is enough to give up the condition', 'I3', {
    file: 'src/objects/s3/put-forms.ts',
    edits: [
      [
        '    if (found === undefined) throw thrown;\n',
        "    capabilities.refuses('conditionalPut');\n    if (found === undefined) throw thrown;\n",
      ],
    ],
  }),
  fault('a condition that the store has taken before is given up', 'I3', {
    file: 'src/objects/s3/put-forms.ts',
    edits: [
      [
        "if (!form.conditional || capabilities.isAccepted('conditionalPut')) return found;",
        'if (!form.conditional) return found;',
      ],
    ],
  }),
  fault('an outage teaches that a store lacks a header', 'I3', {
    file: 'src/objects/s3/put-forms.ts',
    edits: [["if (!(thrown instanceof CompactError && thrown.kind === 'halt')) throw thrown;", '']],
  }),
  fault('a store that lacks single deletes, too, counts as one without batches', 'I12', {
    file: 'src/objects/s3/deletes.ts',
    edits: [['if (failures.length < names.length) capabilities', 'capabilities']],
  }),
  fault('501 is an outage', 'I10', {
    file: 'src/objects/s3/errors.ts',
    edits: [
      [' && status !== 501', ''],
      ["  NotImplemented: 'store-refused',\n", "  NotImplemented: 'store-unavailable',\n"],
    ],
  }),
  fault('refused credentials are never asked for afresh', 'I12', {
    file: 'src/objects/s3/identity.ts',
    edits: [['await this.ask({ forceRefresh: true });', '']],
  }),
  fault("a server's words are passed on with keys", 'I10', {
    file: 'src/objects/s3/errors.ts',
    edits: [["clean(line).replace(KEY_LIKE, '…')", 'line']],
  }),
  fault('a conflict over a name that is taken writes over it', 'I3', {
    file: 'src/objects/s3/put-forms.ts',
    edits: [['(await call.isThere()) ?', 'false ?']],
  }),
];
