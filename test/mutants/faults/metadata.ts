/** Faults in what is atomic: the scripts and the adapter of the Redis metadata format. */
import { type Fault, fault } from '../fault.ts';

const SCRIPTS = 'src/metadata/redis/scripts.ts';
const REDIS = 'src/metadata/redis/redis.ts';
const PRIMARY = 'src/redis/primary.ts';

export const METADATA_FAULTS: readonly Fault[] = [
  fault('commit without looking at the fence', 'I5 I9', {
    file: SCRIPTS,
    edits: [["~= ARGV[1] then return {'stale', 'fence'} end", '~= ARGV[1] then end']],
  }),
  fault('commit to an unlinked inode', 'I5', {
    file: SCRIPTS,
    edits: [
      [
        "wrongType({'hash', 'list', 'set'}) or notWritable()",
        "wrongType({'hash', 'list', 'set'}) or notWritable()\nif bad and bad[2] == 'unlinked' then bad = nil end",
      ],
    ],
  }),
  fault('commit compares the count of the versions, not their SHA-1', 'I5', {
    file: SCRIPTS,
    edits: [["~= ARGV[4] then return {'conflict'} end", "== '' then return {'conflict'} end"]],
  }),
  fault('commit pushes the replacement in the wrong order', 'I1', {
    file: REDIS,
    edits: [['request.replacement.toReversed()', 'request.replacement']],
  }),
  fault('commit ignores the length that the plan requires', 'I1', {
    file: SCRIPTS,
    edits: [["~= ARGV[2] then return {'stale', 'length'} end", '~= ARGV[2] then end']],
  }),
  fault('commit drops what was appended meanwhile', 'I2', {
    file: SCRIPTS,
    edits: [["redis.call('LTRIM', KEYS[2], count + 1, -1)", "redis.call('DEL', KEYS[2])"]],
  }),
  {
    name: 'commit puts the replacement above what was appended meanwhile',
    invariants: 'I2',
    edits: [
      { file: SCRIPTS, find: "redis.call('LPUSH', KEYS[2], unpack", replace: "redis.call('RPUSH', KEYS[2], unpack" },
      { file: REDIS, find: 'request.replacement.toReversed()', replace: 'request.replacement' },
    ],
  },
  fault('begin accepts a number that stands there already', 'I3', {
    file: SCRIPTS,
    edits: [["== ARGV[1] then return {'stale', 'taken'} end", '== ARGV[1] then end']],
  }),
  fault("clearFence takes away anybody's fence", 'I9', {
    file: SCRIPTS,
    edits: [["~= ARGV[1] then return {'ok', 0} end", "== false then return {'ok', 0} end"]],
  }),
  fault('a commit whose answer is lost is reported as a conflict', 'I6', {
    file: 'src/metadata/redis/calls.ts',
    edits: [["return { outcome: 'unknown', cause: safeError(error) };", "return { outcome: 'conflict' };"]],
  }),
  fault('the incarnation is that of the inode alone, not of the server that gives out chunkIds', 'I7', {
    file: REDIS,
    edits: [['if (this.#calls.isCluster) servers.unshift', 'if (servers.length === 0) servers.unshift']],
  }),
  fault('a replica that was promoted is the same incarnation', 'I7', {
    file: REDIS,
    edits: [['return serverOf(runId, replId);', 'return serverOf(runId, runId);']],
  }),
  fault('a server that does not tell who it is counts as known', 'I10', {
    file: PRIMARY,
    edits: [['return [runId, replId].every(', 'return [runId, replId].some(']],
  }),
  fault('chunk indexes are read on with the cursor of another server', 'I7 I10', {
    file: REDIS,
    edits: [["&& next === '0' && server !== ", "&& next === '' && server !== "]],
  }),
  fault('a list of the wrong type is a refusal of the whole server', 'I10', {
    file: 'src/metadata/redis/errors.ts',
    edits: [["? 'filesystem-malformed' : 'inode-malformed'", "? 'filesystem-malformed' : 'metadata-refused'"]],
  }),
  fault('a primary is confirmed by one of its replicas', 'I7 I10', {
    file: PRIMARY,
    edits: [['return Math.max(most, hadReplicas', 'return Math.max(Math.min(most, 1), hadReplicas']],
  }),
  fault('a primary whose replicas are all gone counts as one that never had any', 'I7 I10', {
    file: PRIMARY,
    edits: [['hadReplicas || demandsReplicas ? 1 : 0', 'demandsReplicas ? 1 : 0']],
  }),
  fault('a primary is confirmed by replicas that are connected, without their answer', 'I7 I10', {
    file: PRIMARY,
    edits: [['if (Math.min(online, confirmed) < needed)', 'if (online < needed)']],
  }),
  fault('the sentinels are not asked before a delete', 'I7 I10', {
    file: PRIMARY,
    edits: [['if (objection !== null) throw', "if (objection === '') throw"]],
  }),
  fault('half of the sentinels are enough', 'I7 I10', {
    file: 'src/redis/sentinels.ts',
    edits: [['> answers.length) return null', '>= answers.length) return null']],
  }),
  fault('another server is confirmed than the one whose lists were read', 'I7 I10', {
    file: REDIS,
    edits: [["if ([...new Set(now)].join(' ') === incarnation) continue;", "if (now.join('') !== '') continue;"]],
  }),
  fault('the grace may be shorter than a primary that was cut off goes on', 'I11', {
    file: 'src/redis/client.ts',
    edits: [['lagMs >= options.graceMs', 'lagMs > options.graceMs']],
  }),
  fault('the metadata Redis may throw keys away', 'I10', {
    file: 'src/wiring/primaries.ts',
    edits: [['      await checkMetadata(timeoutMs);\n', '']],
  }),
  fault('a commit does not look for the version that it counts on', 'I5', {
    file: 'src/metadata/redis/scripts.ts',
    edits: [
      ["if ARGV[6] ~= '' and redis.call('LINDEX', KEYS[2], ARGV[6]) ~= ARGV[7] then return {'conflict'} end", ''],
    ],
  }),
  fault('a commit to a metaserver does not look for the version that it counts on', 'I5', {
    file: 'src/metadata/curvefs/commit.ts',
    edits: [['above !== undefined && ', 'above === null && ']],
  }),
];
