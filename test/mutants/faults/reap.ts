/** Faults in deleting: looks that are left out, waits that are too short, doubt that is brushed aside. */
import { type Fault, fault } from '../fault.ts';

type Replacement = readonly [find: string, replace: string];

function reap(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/reap/reap-record.ts', edits });
}

function lists(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/reap/referenced-objects.ts', edits });
}

function fresh(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/reap/fresh-look.ts', edits });
}

function stored(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/reap/stored-objects.ts', edits });
}

function records(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/compact/chunk-records.ts', edits });
}

const CHECK_LIST = 'checkChunkList(versions, chunkIndex, look.filesystem);';

export const REAP_FAULTS: readonly Fault[] = [
  fault('deletes go on after a stop', 'I7', {
    file: 'src/reap/delete-guard.ts',
    edits: [['    check();\n    return { signal, check, end: () => undefined };', '    return undefined;']],
  }),
  fault('a commit that was given up counts as a conflict', 'I6', {
    file: 'src/wiring/cancellable.ts',
    edits: [["{ outcome: 'unknown', cause }", "{ outcome: 'conflict' }"]],
  }),
  fault('a stop leaves a run that waits to learn whose the bucket is', 'I9', {
    file: 'src/wiring/run-inode.ts',
    edits: [['cancellableDeps({ metadata, ledger, requireOwner }', 'cancellableDeps({ metadata, ledger }']],
  }),
  reap('a record is dropped on the word of any server', 'I12', [
    'if (deleted === 0) await confirmNothing(this.#deps.guards, this.#about(filesystem));',
    '',
  ]),
  reap('the second look follows the first at once', 'I7', ['later(found.atMs, this.#graceMs)', 'found.atMs']),
  reap('the grace period counts from before the lists were read', 'I7', [
    'later(found.atMs, this.#graceMs)',
    'later(this.#nowMs, this.#graceMs)',
  ]),
  reap('a record is looked at before it is due', 'I7', ['if (nowMs < dueMs)', 'if (nowMs < 0)']),
  reap(
    'deletes without a fresh look',
    'I7',
    ['const going = await deletable(names,', 'await deletable([],'],
    ['stored: this.#stored });\n    const kept', 'stored: this.#stored });\n    const going = names;\n    const kept'],
  ),
  lists('looks only at the list of one chunk', 'I7', [
    'of metadata.chunkIndexes(look.key)) {\n    const versions',
    'of [0]) {\n    const versions',
  ]),
  lists('a list that breaks the format is skipped', 'I10', [CHECK_LIST, `try { ${CHECK_LIST} } catch { continue; }`]),
  lists('a list that is too long to be read is taken as whole', 'I10', [
    'if (read.versionsTotal <= read.versions.length) return',
    'if (read.versionsTotal >= 0) return',
  ]),
  lists('uses what was read before the record was due', 'I7', ['look.dueMs <= beganMs', 'look.dueMs > 0']),
  lists('uses what was read long ago', 'I7', ['elapsed(endedMs, nowMs) <= KEPT_MS', 'nowMs >= endedMs']),
  lists('uses what was read of a server that has died since', 'I7', ['incarnation === look.incarnation && ', '']),
  reap('what was read while the inode was missing is used when it is back', 'I10', ['= inode !== null;', '= true;']),
  reap('another file system under the same number is ours', 'I10', ['filesystem.uuid !== fsUuid', 'fsUuid === null']),
  reap('a missing inode counts at once', 'I10', ['if (!missed) return this.#waitForMissing(missingSinceMs);', '']),
  reap('the first look leaves the fence', 'I7', [
    'const stood = await this',
    'const stood = unreferenced !== undefined && await this',
  ]),
  reap('the second look deletes although the fence stood', 'I7', [
    'unreferenced !== undefined && !stood',
    'unreferenced !== undefined',
  ]),
  reap('a stamp counts at a server that has lost its last writes', 'I7', [
    'stampMs !== undefined && sameServer',
    'stampMs !== undefined',
  ]),
  reap('the second look counts at a server that has lost its last writes', 'I7', ['!stood && sameServer', '!stood']),
  reap('an object whose chunkId will be given out again is stopped', 'I7', [
    'this.#refuseReusable(names, filesystem);',
    '',
  ]),
  fault('asks to delete more objects than a request may hold', 'I8', {
    file: 'src/reap/delete-guard.ts',
    edits: [['let batchMax = DELETE_BATCH_MAX;', 'let batchMax = 2 * DELETE_BATCH_MAX;']],
  }),
  lists("uses what was read before the ledger's clock went back", 'I7', ['nowMs >= beganMs && ', '']),
  lists('the index of the chunks is gone, and nothing is referenced', 'I10', [
    'if (versionsTotal === 0) return;',
    'return;',
  ]),
  lists('a list that is gone while the index has it references nothing', 'I10', [
    'if (empty.length > 0)',
    'if (empty.length < 0)',
  ]),
  lists('a file that has lost all its lists references nothing', 'I10', [
    '(look.length ?? 0) > 0',
    '(look.length ?? 0) < 0',
  ]),
  lists('a list of millions is read whole', 'I8', ['VERSIONS_READ_FIRST = 100_000', 'VERSIONS_READ_FIRST = 5_000_000']),
  lists('a server that does not say which chunkIds are given out gives none again', 'I7', [
    '(lastChunkId === undefined || object.chunkId > lastChunkId)',
    'lastChunkId !== undefined && object.chunkId > lastChunkId',
  ]),
  lists('looks only for what was merged', 'I7', ['[...this.#merged, ...this.#written]', '[...this.#merged]']),
  lists('looks for one block only', 'I7', ['if (!this.#blocks.has(object.blockIndex)', 'if (object.blockIndex !== 0']),
  fresh('deletes the last copy on the word of one acknowledgement', 'I7', [
    'const lacking = await deps.stored.lacking(inPlace, { ...look, objects, atMs }, deps.store);',
    'const lacking = new Map<string, number | null>();',
  ]),
  fresh('what the store lacks is told and deleted all the same', 'I7', [
    'if (missing.length > 0) throw lacks(missing, now, look);',
    'if (missing.length > 0) return now.unreferenced;',
  ]),
  fresh('what another compaction replaced meanwhile counts as lost', 'I12', [
    '.filter(([name]) => now.inPlace.has(name))',
    '',
  ]),
  fresh('the lists are not read again, however long the store took', 'I7', [' && tookMs <= KEPT_MS', '']),
  fresh('a server that became another one during the look is taken for the same', 'I7', [
    '!== look.incarnation)',
    '=== "")',
  ]),
  stored('an object that is too short will do', 'I7', ['if (bytes === null || bytes < needed)', 'if (bytes === null)']),
  stored('what was seen before the record was due will do', 'I7', ['look.dueMs <= kept.beganMs', 'look.dueMs > 0']),
  stored("what was seen before the ledger's clock went back will do", 'I7', ['ageMs >= 0 && ', '']),
  stored('what a listing lacks is not asked for', 'I7', ['      left = unseen();\n', '      left = [];\n']),
  stored('never lists', 'I8', ['if (seen.heads + left.length > ', 'if (seen.heads < 0 && left.length > ']),
  reap("the grace period is only the looker's", 'I7', ['Math.max(deps.graceMs, record.graceMs ?? 0)', 'deps.graceMs']),
  reap('a stamp made with a shorter grace period is due', 'I7', ['latest(dueMs, later(stampMs, graceMs))', 'dueMs']),
  reap('a blank incarnation counts as known', 'I10', ["if (incarnation.trim() !== '')", 'if (incarnation !== null)']),
  reap('names of another layout are taken for unreferenced', 'I10', [
    'layout && changedLayout(layout, filesystem)',
    'layout && changedLayout(layout, layout)',
  ]),
  reap('names of another prefix are taken for unreferenced', 'I10', [
    'name.startsWith(begin) || parseObjectName(name) === null',
    'name.length >= begin.length || parseObjectName(name) === null',
  ]),
  reap('one object that cannot be deleted is forgotten', 'I12', [
    'this.#record.retired, filesystem);\n    if (deletes.kept.length === 0)',
    'this.#record.retired, filesystem);\n    if (deletes.kept.length >= 0)',
  ]),
  reap('one object that cannot be deleted keeps the rest of its record', 'I12', [
    'retired: namesOf(deletes.kept), merged: []',
    'merged: []',
  ]),
  records('a name is lost at the seam of two records', 'I12', ['to - retired.length', 'to - retired.length - 1']),
  records('a record does not carry its grace period', 'I7', ['    graceMs,\n', '']),
  records('the versions of the last record are lost', 'I10', [
    'Math.ceil(replaced.length / count)',
    'Math.floor(replaced.length / count)',
  ]),
  fault('the set of chunk indexes is believed although it lacks lists that are there', 'I10', {
    file: 'src/metadata/redis/chunk-index.ts',
    edits: [["if (typeof found !== 'string') continue;", 'if (found !== 0) continue;']],
  }),
  fault('lists are not looked for where their index was lost before a truncate to 0', 'I10', {
    file: 'src/metadata/redis/chunk-index.ts',
    edits: [['seen.size === 0 ? LOOKED_FOR_PER_CALL : 0', '0']],
  }),
];
