/**
 * The Lua scripts that change a JuiceFS volume on Redis: each is one atomic step. They stand alone because Lua does not roll
 * back: every check comes before the first write, and nothing that can fail after it. They decide nothing; they answer with
 * the first thing that is not as asked: `wrong-type`, `stale`, `conflict`, `doubt`.
 *
 * Our own hash has the field `ids` (a batch of ids: first, last, since when, in which life of the server) and one field for each attempt: `open …`,
 * `cleared`, `committed SECONDS` or `deleting ` with the slices, as in a delayed delete.
 */
import type { RedisClient } from '../../redis/link.ts';
import { CHECK_TYPES, REFUSED } from '../redis/scripts.ts';
import { RECORD_BYTES } from './decode.ts';

const PARTS = `${CHECK_TYPES}${REFUSED}
local function nowMs()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function whole(number) return string.format('%.0f', number) end
-- Such as HINCRBY adds to: no leading zeros, and exact in Lua.
local function counts(value, form) return string.match(value, form) and whole(tonumber(value)) == value end
`;

/**
 * KEYS: counter of ids, our hash. ARGV: how many, size of a batch, age of a batch before it is used (ms), the largest id
 * that is known, this life of the server, the leap of a new life. A batch is kept beside the counter, so a server that has
 * lost the one has lost the other.
 */
const TAKE_IDS = `${PARTS}
local bad = wrongType({'string', 'hash'})
if bad then return bad end
local now, wanted, batch, age = nowMs(), tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local life, leap = ARGV[5], tonumber(ARGV[6])
local given = redis.call('GET', KEYS[1])
if not given or not string.match(given, '^%d+$') then return {'doubt', 'nextchunk', given or 'missing'} end
-- Numbers of Lua are exact up to here.
if tonumber(given) > 2 ^ 53 - batch - leap or tonumber(given) < tonumber(ARGV[4]) then return {'doubt', 'nextchunk', given} end
local spare = redis.call('HGET', KEYS[2], 'ids') or ''
local first, last, since, from = string.match(spare, '^(%d+) (%d+) (%d+) (%S+)$')
first, last, since = tonumber(first), tonumber(last), tonumber(since)
-- I3: a server that began a life may have lost that it gave ids to clients, who still hold them.
if from == life then leap = 0 else first = nil end
-- A clock that has stepped back would let everybody wait until it is there again.
if not first or last - first + 1 < wanted or last > tonumber(given) or since > now then
  last = redis.call('INCRBY', KEYS[1], whole(leap + batch))
  first, since = last - batch + 1, now
  redis.call('HSET', KEYS[2], 'ids', whole(first) .. ' ' .. whole(last) .. ' ' .. whole(since) .. ' ' .. life)
end
if now < since + age then return {'wait', whole(since + age - now)} end
redis.call('HSET', KEYS[2], 'ids', whole(first + wanted) .. ' ' .. whole(last) .. ' ' .. whole(since) .. ' ' .. life)
return {'ok', whole(first), whole(now)}
`;

/** KEYS: our hash. ARGV: attempt, fence, deadline. */
const BEGIN = `${PARTS}
local bad = wrongType({'hash'})
if bad then return bad end
if nowMs() > tonumber(ARGV[3]) then return {'stale', 'late'} end
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return {'stale', 'taken'} end
return {'ok'}
`;

/**
 * KEYS: list, references, delayed deletes, our hash. ARGV: attempt, fence, deadline, number and bytes of the records to
 * replace, id that names the delayed delete, its delay (ms), its content or '', number of slices and for each its field,
 * its records before and the change; number of new fields and these; then the replacement, last record first.
 */
const COMMIT = `${PARTS}
local bad = wrongType({'list', 'hash', 'hash', 'hash'})
if bad then return bad end
local now = nowMs()
if redis.call('HGET', KEYS[4], ARGV[1]) ~= ARGV[2] then return {'stale', 'fence'} end
if now > tonumber(ARGV[3]) then return {'stale', 'late'} end
-- I5: exactly the records that were read.
local count = tonumber(ARGV[4])
local head = redis.call('LRANGE', KEYS[1], 0, count - 1)
if #head ~= count or table.concat(head) ~= ARGV[5] then return {'conflict'} end
for _, record in ipairs(head) do if #record ~= ${RECORD_BYTES} then return {'conflict'} end end
-- The hash counts what comes on top of the first reference.
local at = 10
local more = {}
for n = 1, tonumber(ARGV[9]) do
  local field, before, change = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local value = redis.call('HGET', KEYS[2], field) or '0'
  if not counts(value, '^%d+$') or tonumber(value) + 1 < before then return {'doubt', field, value, ARGV[at + 1]} end
  if change > 0 then more[#more + 1] = {field, change} end
  at = at + 3
end
local fresh = tonumber(ARGV[at])
for n = at + 1, at + fresh do
  if redis.call('HEXISTS', KEYS[2], ARGV[n]) == 1 then return {'doubt', ARGV[n], 'exists', '0'} end
end
at = at + fresh + 1
local seconds = whole(math.floor((now + tonumber(ARGV[7])) / 1000))
local delayed = ARGV[6] .. '_' .. seconds
if redis.call('HEXISTS', KEYS[3], delayed) == 1 then return {'doubt', delayed, 'exists', '0'} end
-- Every command that is needed below, in a form that changes nothing that anybody sees: whatever the server may refuse it
-- refuses here. LTRIM comes first, which needs no memory; a reference more than none reads like none.
bad = refused(redis.pcall('LTRIM', KEYS[1], 0, -1))
  or refused(redis.pcall('HSET', KEYS[4], ARGV[1], ARGV[2]))
  or refused(redis.pcall('HDEL', KEYS[3], 'no field'))
  or (more[1] and refused(redis.pcall('HINCRBY', KEYS[2], more[1][1], 0)))
  or refused(redis.pcall('LPUSH', KEYS[1], 'trimmed again at once'))
if bad then return bad end
-- From here on nothing can fail. What is promised to be kept comes first all the same.
for _, one in ipairs(more) do redis.call('HINCRBY', KEYS[2], one[1], one[2]) end
redis.call('HSET', KEYS[4], ARGV[1], 'committed ' .. delayed)
redis.call('LTRIM', KEYS[1], count + 1, -1)
-- I2: in front of what is left, so records that were appended meanwhile stay above.
for first = at, #ARGV, 1000 do
  redis.call('LPUSH', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if ARGV[8] ~= '' then redis.call('HSET', KEYS[3], delayed, ARGV[8]) end
return {'ok'}
`;

/** KEYS: our hash. ARGV: attempt, `anew` where a fence that is gone shall be cleared, too. Answers ok and what the fence is now, or nothing. */
const CLEAR = `${PARTS}
local bad = wrongType({'hash'})
if bad then return bad end
local fence = redis.call('HGET', KEYS[1], ARGV[1])
local isOpen = fence and string.sub(fence, 1, 5) == 'open '
if isOpen or (not fence and ARGV[2] == 'anew') then
  redis.call('HSET', KEYS[1], ARGV[1], 'cleared')
  return {'ok', 'cleared'}
end
return {'ok', fence or 'absent'}
`;

/**
 * KEYS: references, delayed deletes, our hash. ARGV: attempt, its fence, field and content of the delayed delete, when it
 * is due (s), then the field of each of its slices. What falls below none is to be deleted.
 */
const RELEASE = `${PARTS}
local bad = wrongType({'hash', 'hash', 'hash'})
if bad then return bad end
if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return {'stale', 'fence'} end
if nowMs() < tonumber(ARGV[5]) * 1000 then return {'stale', 'early'} end
-- A client's hourly job may have been here: whoever takes the field takes the references, exactly once.
if redis.call('HGET', KEYS[2], ARGV[3]) ~= ARGV[4] then return {'stale', 'changed'} end
for n = 6, #ARGV do
  local value = redis.call('HGET', KEYS[1], ARGV[n]) or '0'
  if not counts(value, '^%-?%d+$') then return {'doubt', ARGV[n], value, '1'} end
end
bad = refused(redis.pcall('HSET', KEYS[3], ARGV[1], ARGV[2]))
  or refused(redis.pcall('HINCRBY', KEYS[1], ARGV[6], 0))
  or refused(redis.pcall('HDEL', KEYS[2], ARGV[3]))
if bad then return bad end
-- From here on nothing can fail.
local gone = ''
for n = 6, #ARGV do
  if redis.call('HINCRBY', KEYS[1], ARGV[n], -1) < 0 then
    gone = gone .. string.sub(ARGV[4], (n - 6) * 12 + 1, (n - 5) * 12)
  end
end
redis.call('HSET', KEYS[3], ARGV[1], 'deleting ' .. gone)
return {'ok', 'deleting ' .. gone}
`;

/** KEYS: references, our hash. ARGV: attempt, then fields of slices whose objects are gone. */
const FORGET = `${PARTS}
local bad = wrongType({'hash', 'hash'})
if bad then return bad end
for n = 2, #ARGV do
  local value = redis.call('HGET', KEYS[1], ARGV[n])
  if value and string.sub(value, 1, 1) == '-' then redis.call('HDEL', KEYS[1], ARGV[n]) end
end
redis.call('HDEL', KEYS[2], ARGV[1])
return {'ok'}
`;

/**
 * KEYS: a list that no file has, references, delayed deletes, our hash, counter of ids. Sends each command that the others
 * send, and leaves all as it was.
 */
const TRY = `${PARTS}
local bad = wrongType({'list', 'hash', 'hash', 'hash', 'string'})
local function try(...) bad = bad or refused(redis.pcall(...)) end
try('TIME')
try('LRANGE', KEYS[1], 0, 0)
try('LTRIM', KEYS[1], 0, -1)
for n = 2, 4 do
  try('HGET', KEYS[n], 'trial')
  try('HEXISTS', KEYS[n], 'trial')
  try('HDEL', KEYS[n], 'trial')
end
try('GET', KEYS[5])
if bad then return bad end
-- What is written from here on is taken back before anybody sees it, by commands that have just been let through.
if counts(redis.call('GET', KEYS[5]) or '', '^%d+$') then try('INCRBY', KEYS[5], 0) end
try('HSETNX', KEYS[4], 'trial', '0')
try('HINCRBY', KEYS[4], 'trial', 0)
try('HSET', KEYS[4], 'trial', '0')
redis.call('HDEL', KEYS[4], 'trial')
if bad then return bad end
try('LPUSH', KEYS[1], 'trimmed again at once')
if bad then return bad end
redis.call('LTRIM', KEYS[1], 1, -1)
return {'ok'}
`;

const SCRIPTS = {
  s3compactTakeIds: { numberOfKeys: 2, lua: TAKE_IDS },
  s3compactBeginSlices: { numberOfKeys: 1, lua: BEGIN },
  s3compactCommitSlices: { numberOfKeys: 4, lua: COMMIT },
  s3compactClearSlices: { numberOfKeys: 1, lua: CLEAR },
  s3compactReleaseSlices: { numberOfKeys: 3, lua: RELEASE },
  s3compactForgetSlices: { numberOfKeys: 2, lua: FORGET },
  s3compactTrySlices: { numberOfKeys: 5, lua: TRY },
} as const;

export type ScriptName = keyof typeof SCRIPTS;
/** Keys, then arguments, which ioredis flattens; the answer's texts are Buffers, since a fence may hold binary slices. */
export type RunScript = (name: ScriptName, args: readonly (string | Buffer)[]) => Promise<unknown>;

/** Teaches the client the scripts: EVALSHA, and EVAL where the server does not know the script (yet, or any more). */
export function defineVolumeScripts(redis: RedisClient): RunScript {
  for (const [name, script] of Object.entries(SCRIPTS)) redis.defineCommand(name, script);
  // defineCommand adds the methods at run time; ioredis has no type for that.
  const methods = redis as unknown as Readonly<
    Record<string, (args: readonly (string | Buffer)[]) => Promise<unknown>>
  >;
  return (name, args) => methods[`${name}Buffer`]?.call(redis, args) ?? Promise.reject(new TypeError(name));
}
