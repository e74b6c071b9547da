/**
 * What can happen to one call of a port, and which calls a fault has a meaning for. Data only: the scheduler does it.
 * Every pair of the table must be hit (coverage.ts); a pair that cannot occur has no place here.
 */

import type { CommitForm } from '../../../src/metadata/port.ts';

/**
 * fails-before: an error, and nothing happened. fails-after: it happened, the answer was lost. late: an error, and it
 * happens some time later all the same. slow: the answer takes long. gone-before, gone-after: the process dies before or
 * after the effect. pause-before, pause-after: it stands still there, perhaps for longer than its lease. missing: an
 * object that is there is not found (uploaded late, or seen late). short: it seems to end early. untrue: the store says that
 * it is done, and does nothing (attack `lying-store`).
 */
export const FAULTS = [
  'fails-before',
  'fails-after',
  'late',
  'slow',
  'gone-before',
  'gone-after',
  'pause-before',
  'pause-after',
  'missing',
  'short',
  'untrue',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Every call that the code under test makes through its ports. */
export const BOUNDARIES = [
  'metadata.getFilesystem',
  'metadata.getInode',
  'metadata.chunkIndexes',
  'metadata.incarnation',
  'metadata.readChunk',
  'metadata.begin',
  'metadata.commit',
  'metadata.clearFence',
  'objects.get',
  'objects.put',
  'objects.head',
  'objects.list',
  'objects.delete',
  'ledger.nowMs',
  'ledger.add',
  'ledger.stamp',
  'ledger.expedite',
  'ledger.pending',
  'book.position',
  'book.setPosition',
  'book.suspects',
  'book.note',
  'book.forget',
] as const;

/** Calls that change nothing: for them `late` is `fails-before`, and `fails-after` the same. */
const READS: ReadonlySet<string> = new Set([
  'metadata.getFilesystem',
  'metadata.getInode',
  'metadata.chunkIndexes',
  'metadata.incarnation',
  'metadata.readChunk',
  'objects.get',
  'objects.head',
  'objects.list',
  'ledger.nowMs',
  'ledger.pending',
  'book.position',
  'book.suspects',
  // Of a volume of slices.
  'metadata.setting',
  'metadata.inode',
  'metadata.list',
  'metadata.references',
  'metadata.confirmPrimary',
]);

/** Calls that nobody makes where there is no fence and no server loses its last writes. */
const FENCED_ONLY: ReadonlySet<string> = new Set(['metadata.incarnation', 'metadata.clearFence', 'ledger.stamp']);

/** Whether the fault means something for this call. */
export function applies(fault: Fault, boundary: string, form: CommitForm = 'fenced'): boolean {
  if (form === 'time-bound') {
    if (FENCED_ONLY.has(boundary)) return false;
    // Beginning only looks.
    if (boundary === 'metadata.begin' && (fault === 'late' || fault === 'fails-after')) return false;
  }
  if (fault === 'missing') return boundary === 'objects.get' || boundary === 'objects.head';
  if (fault === 'short') return boundary === 'objects.get';
  if (fault === 'untrue')
    return boundary === 'objects.put' || boundary === 'objects.delete' || boundary === 'objects.list';
  if (fault === 'late' || fault === 'fails-after') return !READS.has(boundary);
  return true;
}

/**
 * A fault of a script: at the n-th call of the code under test, or at the n-th one `on` this boundary; `size` in [0, 1)
 * says how long, where it takes time.
 */
export interface PlannedFault {
  readonly at: number;
  readonly on?: string;
  readonly fault: Fault;
  readonly size: number;
  /** Of a pause: the clock of the process stands still, too. */
  readonly still?: boolean;
}
