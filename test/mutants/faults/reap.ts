/** Faults in deleting: looks that are left out, waits that are too short, doubt that is brushed aside. */
import { type Fault, fault } from '../fault.ts';

type Replacement = readonly [find: string, replace: string];

function reap(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/reap/reap-record.ts', edits });
}

function lists(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/reap/named-objects.ts', edits });
}

const CHECK_LIST = 'checkChunkList(versions, chunkIndex, filesystem);';
const LONG_LIST = 'if (versionsTotal > versions.length)';

export const REAP_FAULTS: readonly Fault[] = [
  reap('the second look follows the first at once', 'I7', ['dueMs: sinceMs + this.#deps.graceMs', 'dueMs: sinceMs']),
  reap('the grace period counts from before the lists were read', 'I7', [
    'const sinceMs = await this.#deps.nowMs();',
    'const sinceMs = this.#nowMs;',
  ]),
  reap('a record is looked at before it is due', 'I7', ['if (nowMs < record.dueMs)', 'if (nowMs < 0)']),
  reap('deletes without a fresh look', 'I7', ['await this.#unnamed(names, filesystem)', '[...names]']),
  lists('looks only at the list of one chunk', 'I7', ['of metadata.chunkIndexes(key)', 'of [0]']),
  lists('a list that breaks the format is skipped', 'I10', [CHECK_LIST, `try { ${CHECK_LIST} } catch { continue; }`]),
  lists('a list that is too long to be read is taken as whole', 'I10', [LONG_LIST, 'if (versionsTotal < 0)']),
  lists('uses what was read before the record was due', 'I7', ['look.dueMs <= beganMs', 'look.dueMs > 0']),
  lists('uses what was read long ago', 'I7', ['nowMs - endedMs <= KEPT_MS', 'nowMs >= endedMs']),
  lists('uses what was read of a server that has died since', 'I7', ['incarnation === look.incarnation && ', '']),
  reap('what was read while the inode was missing is used when it is back', 'I10', ['= inode !== null;', '= true;']),
  reap('another file system under the same number is ours', 'I10', ['filesystem.uuid !== fsUuid', 'fsUuid === null']),
  reap('a missing inode counts at once', 'I10', ['if (wait !== null) return wait;', '']),
  reap('the first look leaves the fence', 'I7', [
    'const stood = await this',
    'const stood = unnamed !== undefined && await this',
  ]),
  reap('the second look deletes although the fence stood', 'I7', [
    'unnamed !== undefined && !stood',
    'unnamed !== undefined',
  ]),
  reap('a stamp counts at a server that has lost its last writes', 'I7', [
    'stampMs !== undefined && sameServer',
    'stampMs !== undefined',
  ]),
  reap('the second look counts at a server that has lost its last writes', 'I7', [' && server.sameServer', '']),
  reap('an object whose chunkId will be given out again is condemned', 'I7', [
    'this.#refuseReusable([...retired, ...merged], filesystem);',
    '',
  ]),
  reap('asks to delete more objects than a request may hold', 'I8', [
    'from + DELETE_BATCH_MAX)',
    'from + 2 * DELETE_BATCH_MAX)',
  ]),
];
