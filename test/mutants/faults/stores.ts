/** Faults of what is concluded about a store: by doctor, by the worker that is refused, by the check of answers. */
import { type Fault, fault } from '../fault.ts';

const DOCTOR = 'src/cli/doctor-store.ts';
const SETTINGS = 'src/objects/s3/bucket-settings.ts';
const REFUSALS = 'src/wiring/store-refusals.ts';

export const STORE_FAULTS: readonly Fault[] = [
  fault('what stands behind a listing is not looked at', 'I10', {
    file: 'src/objects/s3/answers.ts',
    edits: [[' && behindMisc(text, behind) === text.length', '']],
  }),
  fault('doctor takes an ignored condition for an honoured one', 'I3', {
    file: DOCTOR,
    edits: [["if (outcome === 'exists') return ok(", 'if (outcome !== undefined) return ok(']],
  }),
  fault('doctor believes any bytes of a range', 'I1', {
    file: DOCTOR,
    edits: [['if (target.equals(', 'if (target.length > 0 || target.equals(']],
  }),
  fault('doctor believes a listing that lacks what was written', 'I10', {
    file: DOCTOR,
    edits: [['.every((name) => listed.includes(name))', '.every((name) => name.length > 0 || listed.includes(name))']],
  }),
  fault('doctor believes a delete without a look', 'I12', {
    file: DOCTOR,
    edits: [['if ((await this.#store.head(name)) === null) this.#left.delete(name);', 'this.#left.delete(name);']],
  }),
  fault('doctor leaves what it wrote', 'I12', {
    file: DOCTOR,
    edits: [['const names = [...this.#left];', 'const names: string[] = [];']],
  }),
  fault('doctor passes over a rule that deletes objects', 'I7', {
    file: DOCTOR,
    edits: [['ours.filter(({ expires }) => expires)', 'ours.filter(({ expires }) => !expires)']],
  }),
  fault('doctor passes over a rule for some of the inodes', 'I7', {
    file: DOCTOR,
    edits: [[' || prefix.startsWith(begin)', '']],
  }),
  fault('doctor passes over a rule that takes the name of the owner', 'I7', {
    file: DOCTOR,
    edits: [[', holdNamesBegin(fsId)];', '];']],
  }),
  fault('doctor takes unknown rules for none', 'I10', {
    file: DOCTOR,
    edits: [["if (lifecycle === 'unknown') return UNKNOWN;", "if (lifecycle === 'unknown') return ok('none');"]],
  }),
  fault('doctor takes unknown versioning for none', 'I10', {
    file: DOCTOR,
    edits: [["if (versioning === 'unknown') return UNKNOWN;", '']],
  }),
  fault('a question about a bucket that is refused is answered with "none"', 'I10', {
    file: SETTINGS,
    edits: [
      ['errorFacts(thrown.cause).name === none[0] ? none[1]', 'errorFacts(thrown.cause).name !== none[1] ? none[1]'],
    ],
  }),
  fault('the refusal of one inode is taken for that of all', 'I8', {
    file: REFUSALS,
    edits: [['const INODES_MIN = 2;', 'const INODES_MIN = 1;']],
  }),
  fault('what was served in between does not take a refusal back', 'I8', {
    file: REFUSALS,
    edits: [['if (kind !== undefined) this.#refused.delete(kind);', '']],
  }),
  fault('a refusal of long ago stops work', 'I8', {
    file: REFUSALS,
    edits: [['refusal !== undefined && this.#nowMs() - refusal.atMs < LATELY_MS', 'refusal !== undefined']],
  }),
  fault('reads that are served stand for writes', 'I8', {
    file: REFUSALS,
    edits: [["put: 'writes' }", "put: 'reads' }"]],
  }),
  fault('revoked keys are taken for the fault of one inode', 'I8', {
    file: REFUSALS,
    edits: [[' || refusedKeys(error)', '']],
  }),
  fault('a missing bucket is taken for the fault of one inode', 'I8', {
    file: REFUSALS,
    edits: [["error.code === 'bucket-missing' || ", '']],
  }),
  fault('a missing object is a refusal of everybody', 'I8', {
    file: REFUSALS,
    edits: [["'store-refused']);", "'store-refused', 'object-missing']);"]],
  }),
  fault('many refusals in one run count as runs', 'I8', {
    file: REFUSALS,
    edits: [['if (!refusal.runs.has(run)) refusal.runCount++;', 'refusal.runCount++;']],
  }),
];
