/** Faults in what is said of volumes in the slice layout, and in what keeps them from being touched. */
import { type Fault, fault } from '../fault.ts';

const PLAN = 'src/layout/slices/plan.ts';
const FSCK = 'src/fsck/check-slices.ts';
const COMMITS = 'src/metadata/juicefs/commits.ts';
const SCRIPTS = 'src/metadata/juicefs/scripts.ts';
const ATTEMPT = 'src/compact/slice-attempt.ts';
const RUN = 'src/compact/compact-slices.ts';
const REAP = 'src/reap/reap-slices.ts';
const SCAN = 'src/scan/slices.ts';
const CLIENTS = 'src/wiring/volume-clients.ts';

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
  fault('a file of slices at rest is compacted like any other', 'I8', {
    file: 'src/compact/compact-slices.ts',
    edits: [['quietMs >= REST_MS ? REST_FACTOR : 1', 'quietMs >= REST_MS ? 1 : 1']],
  }),
  fault('a file of slices that is being written counts as at rest', 'I8', {
    file: 'src/compact/compact-slices.ts',
    edits: [['quietMs >= REST_MS ?', 'quietMs >= 0 ?']],
  }),
  fault('a scan does not know which files of slices rest', 'I8', {
    file: 'src/scan/slices.ts',
    edits: [['wallMs(context.nowMs) - part.file.mtimeMs', '0 * wallMs(context.nowMs) * part.file.mtimeMs']],
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
    edits: [['if (only === undefined ||', 'if (only !== null ||']],
  }),
  fault('ids of slices are used as soon as they are taken', 'I3', {
    file: SCRIPTS,
    edits: [["if now < since + age then return {'wait'", "if now < since then return {'wait'"]],
  }),
  fault('ids of slices are taken that a client holds since before its server lost writes', 'I3', {
    file: SCRIPTS,
    edits: [['if from == life then leap = 0 else first = nil end', 'leap = 0']],
  }),
  fault('two lives of a server that nobody knows count as one', 'I3', {
    file: COMMITS,
    edits: [["if (life !== '') return life;", 'if (life !== null) return life;']],
  }),
  fault('ids of slices are taken twice', 'I3', {
    file: SCRIPTS,
    edits: [["whole(first + wanted) .. ' '", "whole(first) .. ' '"]],
  }),
  fault('ids of slices are one off, so that a client gets the last of them, too', 'I3', {
    file: SCRIPTS,
    edits: [['first, since = last - batch + 1, now', 'first, last, since = last - batch + 2, last + 1, now']],
  }),
  fault('a batch of ids is used that the server has forgotten', 'I3', {
    file: SCRIPTS,
    edits: [['< wanted or last > tonumber(given) or', '< wanted or']],
  }),
  fault('a counter of ids that is behind the lists is believed', 'I3', {
    file: SCRIPTS,
    edits: [['or tonumber(given) < tonumber(ARGV[4]) then', 'then']],
  }),
  fault('slices are committed without the fence', 'I6', {
    file: SCRIPTS,
    edits: [["if redis.call('HGET', KEYS[4], ARGV[1]) ~= ARGV[2] then return {'stale', 'fence'} end", '']],
  }),
  fault('slices are committed after the deadline', 'I6', {
    file: SCRIPTS,
    edits: [["if now > tonumber(ARGV[3]) then return {'stale', 'late'} end", '']],
  }),
  fault('slices are committed over another list', 'I5', {
    file: SCRIPTS,
    edits: [['if #head ~= count or table.concat(head) ~= ARGV[5] then', 'if #head ~= count then']],
  }),
  fault('slices are committed over records of other lengths', 'I5', {
    file: SCRIPTS,
    edits: [['for _, record in ipairs(head) do', 'for _, record in ipairs({}) do']],
  }),
  fault('records that were appended meanwhile come below new slices', 'I2', {
    file: SCRIPTS,
    edits: [["redis.call('LPUSH', KEYS[1], unpack(ARGV", "redis.call('RPUSH', KEYS[1], unpack(ARGV"]],
  }),
  fault('a record that was appended meanwhile is cut off', 'I2', {
    file: SCRIPTS,
    edits: [["redis.call('LTRIM', KEYS[1], count + 1, -1)", "redis.call('LTRIM', KEYS[1], count + 2, -1)"]],
  }),
  fault('references are taken that the count does not cover', 'I10', {
    file: SCRIPTS,
    edits: [['or tonumber(value) + 1 < before then', 'then']],
  }),
  fault('references of a slice that is cut into parts are not counted', 'I7', {
    file: SCRIPTS,
    edits: [["for _, one in ipairs(more) do redis.call('HINCRBY'", "for _, one in ipairs({}) do redis.call('HINCRBY'"]],
  }),
  fault('a new slice is committed under an id that is in use', 'I3', {
    file: SCRIPTS,
    edits: [["if redis.call('HEXISTS', KEYS[2], ARGV[n]) == 1", "if redis.call('HEXISTS', KEYS[2], ARGV[n]) == 2"]],
  }),
  fault('of a slice that several records name only one reference goes', 'I12', {
    file: COMMITS,
    edits: [['lost.push(...named.slice(left));', 'lost.push(...named.slice(left, left + 1));']],
  }),
  fault('replaced slices go at once, where the grace period is to pass', 'I7', {
    file: SCRIPTS,
    edits: [['whole(math.floor((now + tonumber(ARGV[7])) / 1000))', 'whole(math.floor(now / 1000))']],
  }),
  fault('replacements may overlap', 'I1', {
    file: COMMITS,
    edits: [['if (offset < end || len < 1) return false;', 'if (len < 1) return false;']],
  }),
  fault('a fence that was cleared is set again', 'I6', {
    file: SCRIPTS,
    edits: [["redis.call('HSET', KEYS[1], ARGV[1], 'cleared')", "redis.call('HDEL', KEYS[1], ARGV[1])"]],
  }),
  fault('a delayed delete is taken before it is due', 'I7', {
    file: SCRIPTS,
    edits: [["if nowMs() < tonumber(ARGV[5]) * 1000 then return {'stale', 'early'} end", '']],
  }),
  fault('a slice that still has references is deleted', 'I7', {
    file: SCRIPTS,
    edits: [
      [
        "if redis.call('HINCRBY', KEYS[1], ARGV[n], -1) < 0 then",
        "if redis.call('HINCRBY', KEYS[1], ARGV[n], -1) < 9 then",
      ],
    ],
  }),
  fault('a slice that was referenced again is forgotten', 'I7', {
    file: SCRIPTS,
    edits: [["if value and string.sub(value, 1, 1) == '-' then", 'if value then']],
  }),
  fault('the record of an attempt on slices lacks what it writes', 'I12', {
    file: ATTEMPT,
    edits: [['merged: tasks.map(({ name }) => name)', 'merged: []']],
  }),
  fault('new slices are committed though their objects are gone', 'I4', {
    file: ATTEMPT,
    edits: [['if (head !== null && head.bytes === stored.get(name)) return;', 'if (head?.bytes !== 0) return;']],
  }),
  fault('a commit names another slice than was written', 'I1', {
    file: ATTEMPT,
    edits: [['(_, n) => ids.first + 1n + BigInt(n)', '(_, n) => ids.first + 2n + BigInt(n)']],
  }),
  fault('an attempt on slices may last longer than gc leaves its objects alone', 'I12', {
    file: ATTEMPT,
    edits: [['Math.min(deps.leaseMs, SLICE_LEASE_MAX_MS)', 'deps.leaseMs']],
  }),
  fault('what was replaced goes without the grace period', 'I7', {
    file: ATTEMPT,
    edits: [['delayMs: deps.graceMs', 'delayMs: 0']],
  }),
  fault('ids of slices are believed of a server that was replaced meanwhile', 'I3', {
    file: ATTEMPT,
    edits: [["if (begun === 'begun' && isSame) return;", "if (begun === 'begun') return;"]],
  }),
  fault('objects of somebody else under names of an attempt on slices are deleted', 'I7', {
    file: ATTEMPT,
    edits: [['taken.size > 0 ? leave(added, attempt, deps) : abandon', 'abandon']],
  }),
  fault('ids of slices wait for a clock that has stepped back', 'I8', {
    file: SCRIPTS,
    edits: [['or last > tonumber(given) or since > now then', 'or last > tonumber(given) then']],
  }),
  fault('a count that Redis does not add to stops a commit half-way', 'I5', {
    file: SCRIPTS,
    edits: [
      [
        'return string.match(value, form) and whole(tonumber(value)) == value end',
        'return string.match(value, form) end',
      ],
    ],
  }),
  fault('a setting that is changed while slices are written is not heeded', 'I10', {
    file: ATTEMPT,
    edits: [['await deps.requireAllowed();', '']],
  }),
  fault('a volume is compacted whatever its setting says', 'I10', {
    file: RUN,
    edits: [['requireCompactable(setting);', '']],
  }),
  fault('a slice may have two sizes', 'I10', {
    file: RUN,
    edits: [['if (known === size || id === 0n) continue;', 'if (known >= 0) continue;']],
  }),
  fault('what was written is deleted though it was committed', 'I7', {
    file: REAP,
    edits: [["if (fence.state === 'cleared') return", "if (fence.state !== 'absent') return"]],
  }),
  fault('replaced slices are deleted before the days of the trash are over', 'I7', {
    file: REAP,
    edits: [['&& setting.trashDays > 0;', '&& setting.trashDays > 9;']],
  }),
  fault('through another server than before slices are deleted', 'I7', {
    file: REAP,
    edits: [['if (server !== this.#record.incarnation) return', "if (server === '') return"]],
  }),
  fault('records of another volume are worked off', 'I10', {
    file: REAP,
    edits: [['if (uuid !== fsUuid) throw', "if (uuid === '') throw"]],
  }),
  fault('records of another bucket are worked off', 'I10', {
    file: REAP,
    edits: [['if (store?.bucket !== bucket) throw', "if (store?.bucket === '') throw"]],
  }),
  fault('references of deleted slices stay behind', 'I12', {
    file: REAP,
    edits: [['commits.forget(this.#record.attempt, gone)', 'commits.forget(this.#record.attempt)']],
  }),
  fault('an unknown commit of slices counts as none', 'I6', {
    file: ATTEMPT,
    edits: [["if (state === 'committed') return { outcome: 'committed' };", '']],
  }),
  fault('a scan of slices queues what is deleted', 'I10', {
    file: SCAN,
    edits: [["|| part.file.state === 'unlinked') return null;", ') return null;']],
  }),
  fault('a scan of slices that failed inside a page counts twice what it had counted', 'I12', {
    file: 'src/scan/scan.ts',
    edits: [['if (isInside) {', 'if (isInside && cursor === null) {']],
  }),
  fault('a walk over slices goes on behind a page of which it has read the first lists', 'I12', {
    file: 'src/metadata/juicefs/walk.ts',
    edits: [['yield { ...part, restarted };', 'yield { ...part, restarted, cursor: page.cursor };']],
  }),
  fault('a walk over slices takes any place for its own', 'I12', {
    file: 'src/metadata/redis/walk.ts',
    edits: [['if (!now.servers.known || hash !== hashOf(now.pattern, now.servers)) return null;', '']],
  }),
  fault('a queue serves two volumes', 'I10', {
    file: CLIENTS,
    edits: [['if (served === own.uuid) return own;', "if (served !== '') return own;"]],
  }),
  fault('a volume that was formatted anew is worked on', 'I10', {
    file: CLIENTS,
    edits: [['if (now.uuid === uuid) return now;', "if (now.uuid !== '') return now;"]],
  }),
  fault('what was written in vain is deleted at the first look', 'I12', {
    file: REAP,
    edits: [
      ['if (merged.length === 0 || this.#record.unreferenced !== undefined) return', 'if (merged.length >= 0) return'],
    ],
  }),
  fault('an attempt in vain does not write its fence anew', 'I12', {
    file: ATTEMPT,
    edits: [['commits.clear(record.attempt, inVain)', 'commits.clear(record.attempt)']],
  }),
  fault('without a fence what was written in vain is deleted', 'I7', {
    file: REAP,
    edits: [
      ["if (fence.state === 'cleared') return", "if (fence.state === 'cleared' || fence.state === 'absent') return"],
    ],
  }),
];
