/** Faults around the bucket as a whole: whose its objects are, what garbage collection takes, what fsck reports. */
import { type Fault, fault } from '../fault.ts';

type Replacement = readonly [find: string, replace: string];

function owner(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I7 I10', { file: 'src/reap/bucket-owner.ts', edits });
}

function pass(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/gc/gc.ts', edits });
}

function deletes(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/gc/delete.ts', edits });
}

function parts(name: string, invariants: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, invariants, { file: 'src/gc/examine.ts', edits });
}

function chunk(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I1', { file: 'src/fsck/check-chunk.ts', edits });
}

function repairs(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I1', { file: 'src/fsck/repair.ts', edits });
}

function holds(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I10', { file: 'src/reap/holds.ts', edits });
}

export const BUCKET_FAULTS: readonly Fault[] = [
  owner('another file system under the same number owns the bucket, too', [' || owner.uuid !== self.uuid', '']),
  owner('a copy of the metadata in another store counts as the owner', [
    'owner.store !== self.store',
    'owner.store === ""',
  ]),
  owner('a copy of the metadata with its own queue counts as the owner', [
    'if (!isInstallation(owner, self)) {\n    return',
    'if (owner.installation === null) {\n    return',
  ]),
  owner('a lost queue forgets what it was before', [' || self.proven.has(owner.installation)', '']),
  owner('a copy at another address counts as the owner', [
    'if (haveSameAddress(owner, self) || knownServer)',
    'if (self)',
  ]),
  owner('an owner that cannot be read is no owner', ['if (!owner || why !== null)', 'if (owner && why !== null)']),
  owner('what was found to be ours is believed for ever', ['nowMs < known.untilMs', 'nowMs >= 0']),
  owner('a refusal is remembered after an adoption', ['checked.catch(forget);', 'checked.catch(() => undefined);']),
  owner('a claim is believed without a second look', [
    'if (!lasting) forget();',
    'if (lasting === undefined) forget();',
  ]),
  fault('a run writes into a bucket that belongs to another', 'I7', {
    file: 'src/compact/compact-inode.ts',
    edits: [['await deps.requireOwner?.(filesystem);', '']],
  }),
  fault('a scan queues what the owner of the bucket will not let be compacted', 'I8', {
    file: 'src/scan/scan.ts',
    edits: [['if (isReal) await this.#deps.refuseOther?.(this.#filesystem);', '']],
  }),
  pass('the second look of garbage collection follows the first at once', 'I7', [
    'if (elapsed(noted.sinceMs, readMs) < this.#options.leaseMs + this.#graceMs) return;',
    '',
  ]),
  pass("only the store's clock tells the age of an orphan", 'I7', [
    'if (elapsed(firstMs, readMs) < this.#options.minAgeMs) return;',
    '',
  ]),
  pass("the store's clock does not count for the age of an orphan", 'I7', [
    'else if (ageMs < this.#options.minAgeMs)',
    'else if (ageMs < 0)',
  ]),
  pass('the second look of garbage collection counts at a server that came back', 'I7', [
    'noted !== undefined && noted.incarnation === incarnation',
    'noted !== undefined',
  ]),
  pass('orphans of inodes that the metadata does not have go like any other', 'I7', [
    'const kept = one.inodeless && this.#options.inodeless !== true;',
    'const kept = false;',
  ]),
  pass('a file system that went away during the pass is no doubt', 'I10', [
    'await sameFilesystem({ metadata: this.#deps.metadata, filesystem: this.#filesystem });',
    '',
  ]),
  pass('a bucket in which nearly everything is an orphan is believed', 'I10', [
    '2 * leaked > objects',
    '2 * leaked > 2 * objects',
  ]),
  pass('what a reap record covers is an orphan', 'I7', [
    "if (covered.names.has(object.name)) this.#tally.object('pending'",
    "if (object.name === '') this.#tally.object('pending'",
  ]),
  pass('a name whose chunkId will be given out again is noted', 'I7', [
    'if (kept || isReusable(object.name, this.#filesystem)) unfit.push',
    "if (kept || object.name === '') unfit.push",
  ]),
  deletes('garbage collection deletes at a server that came back after the judgement', 'I7', [
    'if ((await deps.metadata.incarnation(key)) !== incarnation) return [];',
    '',
  ]),
  deletes('garbage collection deletes without a fresh look at the lists', 'I7', [
    'return group.filter(({ object }) => left.has(object.name));',
    'return left.size < 0 ? [] : group;',
  ]),
  deletes('garbage collection deletes what a record has covered since', 'I7', [
    '!covered.names.has(object.name) && ',
    '',
  ]),
  deletes('garbage collection deletes a name that will be given out again since', 'I7', [
    ' && !isReusable(object.name, filesystem)',
    '',
  ]),
  deletes('an inode that was removed since the judgement needs no flag', 'I7', [
    'if (inode === null && !deps.inodeless) return [];',
    '',
  ]),
  deletes('orphans of an inode in quarantine are deleted', 'I10', [
    'if (stopped?.has(id) !== true) return [group];',
    'if (stopped?.has(id) !== false) return [group];',
  ]),
  deletes('one damaged inode stops the deletes of all', 'I10', ['|| !isDamage(error)', '|| isDamage(error)']),
  pass('what is kept without its flag stays in the book', 'I8', [
    'const again = unfit.filter((name) => this.#suspects.has(name));',
    'const again: string[] = [];',
  ]),
  pass("the two looks are apart by the looker's own grace period", 'I7', [
    'this.#graceMs = Math.max(this.#graceMs, covered.graceMs);',
    '',
  ]),
  deletes('garbage collection goes on with names of another layout', 'I10', [
    'const field = changedLayout(filesystem, now);',
    'const field = undefined as keyof Layout | undefined;',
  ]),
  deletes('what is too much to look for at a time is never deleted', 'I12', [
    'if (oneBlock || !tooMuch) throw error;',
    'throw error;',
  ]),
  deletes('garbage collection deletes more than it may', 'I8', ['if (left <= 0) break;', '']),
  parts('a list that breaks the format references nothing', 'I10', [
    'checkChunkList(versions, chunkIndex, filesystem);\n    yield {',
    'try { checkChunkList(versions, chunkIndex, filesystem); } catch { continue; }\n    yield {',
  ]),
  parts('an object that is missing for a moment is reported as missing', 'I1', [
    'if (lacking.size === 0) return [];',
    "if (lacking.size >= 0) return [...lacking].map(([object, { bytes }]) => ({ inodeId: key.inodeId.toString(), object, reason: 'missing', bytes: bytes ?? 0, neededBytes: 1 }));",
  ]),
  parts('an object that nobody reads is reported as missing', 'I1', [
    'const length = inode === null || inode.nlink <= 0 ? 0 : inode.length;',
    'const length = Number.MAX_SAFE_INTEGER;',
  ]),
  parts('a store that is away is asked for all objects of a part', 'I8', ['.finally(() => limit.clearQueue())', '']),
  chunk('fsck does not notice a missing object', [
    "if (head === null) return fault('missing', 'there is no such object');",
    'if (head === null) return [];',
  ]),
  chunk('fsck does not notice a short object', ['if (head.bytes < needed)', 'if (head.bytes < 0)']),
  chunk('fsck does not notice another checksum', [') !== head.crc32)', ') === undefined)']),
  chunk('fsck reads no list again before it reports a fault', [
    'if (isDeepStrictEqual(seen, again)) return findings(again, faults);',
    'return findings(again, faults);',
  ]),
  chunk('fsck believes a list that breaks the format', ['checkChunkList(versions, chunkIndex, filesystem);', '']),
  fault('garbage collection takes an inode whose chunk indexes are gone for an empty one', 'I10', {
    file: 'src/gc/delete.ts',
    edits: [[', length: inode.length }', ' }']],
  }),
  repairs('a repair passes over what is lost without a record', [
    'if (!records.has(chunkIndex)) yield*',
    'if (false) yield*',
  ]),
  holds('a hold that stands is not asked for', ["if (standing?.kind === 'stands') {", 'if (standing === null) {']),
  holds('a hold in doubt is none', ["if (doubtful?.kind !== 'doubt') return;", 'if (doubtful !== null) return;']),
  holds('a listing without the owner shows that there is no hold', [
    'if (names[0] !== owner) {',
    'if (names.length > 1e9) {',
  ]),
  holds('only the first page of a listing is read', ['if (!more) return names', 'if (pages >= 0) return names']),
  holds('a permit lasts for ever', ['if (clock.monotonicMs() < untilMs) return;', 'if (untilMs > 0) return;']),
  holds('a listing counts for longer than hold waits', [
    'elapsed(before.beganMs, beganMs) < SHARED_MS',
    'beganMs >= before.beganMs',
  ]),
  holds('hold answers before earlier permits have run out', ['await clock.sleep(SETTLE_MS, signal);', '']),
  holds('a hold that the store did not keep is answered', [
    "if (state?.kind === 'stands') return;",
    'if (state !== undefined) return;',
  ]),
  holds('more holds than there may be', ['if (left < HOLDS_MAX) return;', 'if (left < 10 * HOLDS_MAX) return;']),
  holds('who has seen a hold stand forgets it', [
    'leftUntilMs === undefined ? 0 : elapsed(clock.monotonicMs(), leftUntilMs)',
    '0',
  ]),
  fault("a hold ends by the queue's clock alone", 'I10', {
    file: 'src/reap/hold-note.ts',
    edits: [['if (hostMs >= hold.untilMs && leftMs <= 0)', 'if (leftMs <= 0)']],
  }),
  fault('a hold of another uuid has ended, too', 'I10', {
    file: 'src/reap/hold-note.ts',
    edits: [['hold.uuid !== filesystem.uuid || ', '']],
  }),
  fault('guards are asked before the first batch only', 'I10', {
    file: 'src/reap/delete-guard.ts',
    edits: [
      [
        'const refused = await deleteOnce({ ...about, names }, batch);',
        'const refused = await deleteOnce({ ...about, names }, from === 0 ? batch : { store: batch.store });',
      ],
    ],
  }),
  fault('a delete is sent although its permit is over', 'I10', {
    file: 'src/reap/delete-guard.ts',
    edits: [
      ['return await store.delete(about.names, signal, check);', 'return await store.delete(about.names, signal);'],
    ],
  }),
  fault('a hold counts as doubt', 'I12', {
    file: 'src/reap/reap-record.ts',
    edits: [["if (code === 'held') {", 'if (code === undefined) {']],
  }),
];
