/**
 * The Lua scripts of the Redis metadata format: each is one atomic step on the slot of one inode. Lua does not roll back:
 * whoever changes one must keep every check before the first write, and nothing that can fail after it. They must not decide
 * anything; they answer with the first thing that is not as asked.
 *
 * Every answer is an array whose first element is the word: `ok`, `wrong-type`, `malformed`, `stale`, `conflict`.
 * Redis 6.2 is the oldest server: no shebang flags, errors of writes through `pcall` (so that their code comes first).
 */
import { createHash } from 'node:crypto';
import type { RedisClient } from '../../redis/link.ts';

/** `unpack` puts all its values on Lua's C stack, which ends at some 8,000. */
const PUSH_BATCH = 1000;

/** Types are checked first, so that no later command can fail with WRONGTYPE, and the answer can name the key. */
export const CHECK_TYPES = `
local function wrongType(expected)
  for i, want in ipairs(expected) do
    local have = redis.call('TYPE', KEYS[i]).ok
    if have ~= 'none' and have ~= want then return {'wrong-type', KEYS[i], have, want} end
  end
end
`;

/** Why nothing may be written for the inode in KEYS[1]. */
export const CHECK_INODE = `
local function notWritable()
  if redis.call('EXISTS', KEYS[1]) == 0 then return {'stale', 'missing'} end
  local inode = redis.call('HMGET', KEYS[1], 'type', 'nlink')
  if not inode[1] then return {'malformed', 'type', ''} end
  if inode[1] ~= 's3' then return {'stale', 'not-s3'} end
  if not inode[2] or not string.match(inode[2], '^%d+$') then return {'malformed', 'nlink', inode[2] or ''} end
  if tonumber(inode[2]) == 0 then return {'stale', 'unlinked'} end
end
`;

/** For writes that are tried in a form that changes nothing. Redis 7 tells a missing permission as ERR, which could mean anything elsewhere. */
export const REFUSED = `
local function refused(reply)
  if type(reply) ~= 'table' or not reply.err then return nil end
  if string.find(reply.err, 'ERR ', 1, true) == 1 then return redis.error_reply('NOPERM ' .. reply.err) end
  return reply
end
`;

/** KEYS: inode, list. ARGV: versions at most, position of the first. Answers ok, fields and values of the inode, list length, records. */
const READ_CHUNK = `${CHECK_TYPES}
local bad = wrongType({'hash', 'list'})
if bad then return bad end
local records = {}
local most, from = tonumber(ARGV[1]), tonumber(ARGV[2])
if most > 0 then records = redis.call('LRANGE', KEYS[2], from, from + most - 1) end
return {'ok', redis.call('HGETALL', KEYS[1]), redis.call('LLEN', KEYS[2]), records}
`;

/**
 * KEYS: inodes of any slot, so not for a cluster. ARGV: versions of a list at most, chunks of an inode at most, versions
 * of the whole answer after which it ends (with fewer inodes than asked for), then the fields of an inode. For each inode
 * an array: `error` and the reply; `many`, where there are more chunks; or its fields, then index and records in turns.
 * It writes nothing, and takes some milliseconds at most.
 */
const READ_LISTS = `
local versionsMax, chunksMax, versionsEnd = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local function isError(reply) return type(reply) == 'table' and reply.err end
local total = 0
local function read(key)
  local fields = redis.pcall('HMGET', key, unpack(ARGV, 4))
  if isError(fields) then return {'error', key, fields.err} end
  -- type and nlink come first.
  if fields[1] ~= 's3' or fields[2] == '0' then return {fields} end
  local count = redis.pcall('SCARD', key .. ':chunks')
  if isError(count) then return {'error', key .. ':chunks', count.err} end
  if count > chunksMax then return {'many'} end
  local found = {fields}
  for _, index in ipairs(redis.call('SMEMBERS', key .. ':chunks')) do
    local records = redis.pcall('LRANGE', key .. ':' .. index, 0, versionsMax)
    if isError(records) then return {'error', key .. ':' .. index, records.err} end
    total = total + #records
    found[#found + 1] = index
    found[#found + 1] = records
  end
  return found
end
local answer = {}
for n, key in ipairs(KEYS) do
  answer[n] = read(key)
  if total > versionsEnd then break end
end
return answer
`;

/**
 * KEYS: inode, which takes the script to its server. Answers ok and what changes when that server is another process
 * (run_id), and when it has become the primary in the place of another (master_replid); empty where INFO lacks it.
 */
const INCARNATION = `
local function field(section, pattern)
  local text = redis.pcall('INFO', section)
  if type(text) == 'table' and text.err then return nil, redis.error_reply('NOPERM INFO: ' .. text.err) end
  return string.match(text, pattern) or ''
end
local run, refused = field('server', 'run_id:(%x+)')
if refused then return refused end
return {'ok', run, (field('replication', 'master_replid:(%x+)'))}
`;

/** KEYS: the set of chunk indexes, then lists. ARGV: their indexes. Answers the first whose list is there and the set lacks. */
const LOST_INDEX = `
for i, index in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 1]) == 1 and redis.call('SISMEMBER', KEYS[1], index) == 0 then return index end
end
return false
`;

/** KEYS: inode. ARGV: attempt. */
const BEGIN = `${CHECK_TYPES}${CHECK_INODE}
local bad = wrongType({'hash'}) or notWritable()
if bad then return bad end
-- I3: two attempts may have drawn the same number; the second one takes another.
if redis.call('HGET', KEYS[1], 'attempt') == ARGV[1] then return {'stale', 'taken'} end
local set = redis.pcall('HSET', KEYS[1], 'attempt', ARGV[1])
if type(set) == 'table' and set.err then return set end
return {'ok'}
`;

/** KEYS: inode. ARGV: attempt. Answers ok and 1 when the fence stood, 0 when it did not. */
const CLEAR_FENCE = `${CHECK_TYPES}
local bad = wrongType({'hash'})
if bad then return bad end
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return {'ok', 0} end
local deleted = redis.pcall('HDEL', KEYS[1], 'attempt')
if type(deleted) == 'table' and deleted.err then return deleted end
return {'ok', 1}
`;

/**
 * KEYS: inode, list, set of indexes. ARGV: attempt, required length or '', count and SHA-1 of the versions to replace,
 * chunk index, position and text of a version above or '', then the replacement, newest first, since LPUSH turns it round.
 */
const COMMIT = `${CHECK_TYPES}${CHECK_INODE}${REFUSED}
local bad = wrongType({'hash', 'list', 'set'}) or notWritable()
if bad then return bad end
if redis.call('HGET', KEYS[1], 'attempt') ~= ARGV[1] then return {'stale', 'fence'} end
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'length') ~= ARGV[2] then return {'stale', 'length'} end
-- I5: exactly the versions that were read. A record has no newline, so equal joins of equal counts are equal lists.
local count = tonumber(ARGV[3])
local head = redis.call('LRANGE', KEYS[2], 0, count - 1)
if #head ~= count or redis.sha1hex(table.concat(head, '\\n')) ~= ARGV[4] then return {'conflict'} end
if ARGV[6] ~= '' and redis.call('LINDEX', KEYS[2], ARGV[6]) ~= ARGV[7] then return {'conflict'} end
-- Every command that is needed below, in a form that changes nothing: whatever the server may refuse (READONLY, MISCONF,
-- a user who may LTRIM but not LPUSH) it refuses here. LTRIM comes first: it needs no memory, and after the first write
-- Redis lets a script go on when memory is full.
bad = refused(redis.pcall('LTRIM', KEYS[2], 0, -1))
  or refused(redis.pcall('SADD', KEYS[3], ARGV[5]))
  or refused(redis.pcall('SREM', KEYS[3], 'not an index'))
  or refused(redis.pcall('LPUSH', KEYS[2], 'trimmed again at once'))
if bad then return bad end
-- From here on nothing can fail.
redis.call('LTRIM', KEYS[2], count + 1, -1)
-- I2: pushed in front of what is left, so versions that were appended meanwhile stay above.
for first = 8, #ARGV, ${PUSH_BATCH} do
  redis.call('LPUSH', KEYS[2], unpack(ARGV, first, math.min(first + ${PUSH_BATCH} - 1, #ARGV)))
end
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SREM', KEYS[3], ARGV[5]) end
return {'ok'}
`;

/** The scripts as methods of a client: EVALSHA, and EVAL where the server does not know the script (yet, or any more). */
export interface MetadataScripts {
  s3compactReadChunk(inode: string, list: string, versionsMax: number, from: number): Promise<unknown>;
  s3compactIncarnation(inode: string): Promise<unknown>;
  /** The number of inodes, the inodes, then ARGV; in one array, which ioredis flattens. */
  s3compactReadLists(args: readonly (string | number)[]): Promise<unknown>;
  /** The number of keys, the keys, then ARGV. */
  s3compactLostIndex(args: readonly (string | number)[]): Promise<unknown>;
  s3compactBegin(inode: string, attempt: string): Promise<unknown>;
  s3compactClearFence(inode: string, attempt: string): Promise<unknown>;
  /** `args` in one array, which ioredis flattens: 100,000 arguments of a call would nearly fill the stack. */
  s3compactCommit(inode: string, list: string, set: string, args: readonly string[]): Promise<unknown>;
}

/** Teaches the client the scripts; harmless when it knows them already. */
export function defineScripts(redis: RedisClient): MetadataScripts {
  redis.defineCommand('s3compactReadChunk', { numberOfKeys: 2, lua: READ_CHUNK });
  redis.defineCommand('s3compactIncarnation', { numberOfKeys: 1, lua: INCARNATION });
  redis.defineCommand('s3compactReadLists', { lua: READ_LISTS });
  redis.defineCommand('s3compactLostIndex', { lua: LOST_INDEX });
  redis.defineCommand('s3compactBegin', { numberOfKeys: 1, lua: BEGIN });
  redis.defineCommand('s3compactClearFence', { numberOfKeys: 1, lua: CLEAR_FENCE });
  redis.defineCommand('s3compactCommit', { numberOfKeys: 3, lua: COMMIT });
  // defineCommand adds the methods at run time; ioredis has no type for that.
  return redis as unknown as MetadataScripts;
}

/** What COMMIT compares: SHA-1 of the records joined by newlines, as in the script. */
export function hashRecords(records: readonly string[]): string {
  return createHash('sha1').update(records.join('\n')).digest('hex');
}
