/**
 * The Lua scripts of a writer: each is one step on the slot of one inode or file system, so that two clients never lose
 * each other's length, and nothing that is there is written over. They stand apart from the adapter's, which changes
 * lists that others wrote. As there: every check comes before the first write, and what may be refused is tried first.
 */
import { CHECK_INODE, CHECK_TYPES } from '../metadata/redis/scripts.ts';
import type { RedisClient } from '../redis/link.ts';

/** KEYS: file system or inode. ARGV: fields and values. Answers ok or exists. */
const CREATE = `
if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end
redis.call('HSET', KEYS[1], unpack(ARGV))
return {'ok'}
`;

/** KEYS: inode, list, set of indexes. ARGV: chunk index, least length, time, then versions, oldest first. */
const APPEND = `${CHECK_TYPES}${CHECK_INODE}
local bad = wrongType({'hash', 'list', 'set'}) or notWritable()
if bad then return bad end
local length = redis.call('HGET', KEYS[1], 'length')
if not length or not string.match(length, '^%d+$') then return {'malformed', 'length', length or ''} end
redis.call('HSET', KEYS[1], 'mtimeMs', ARGV[3])
-- An index without a list is harmless, a list without an index is not.
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('RPUSH', KEYS[2], unpack(ARGV, 4))
if tonumber(ARGV[2]) > tonumber(length) then redis.call('HSET', KEYS[1], 'length', ARGV[2]) end
return {'ok'}
`;

/** KEYS: inode. ARGV: fields and values. */
const CHANGE = `${CHECK_TYPES}${CHECK_INODE}
local bad = wrongType({'hash'}) or notWritable()
if bad then return bad end
redis.call('HSET', KEYS[1], unpack(ARGV))
return {'ok'}
`;

/** The scripts as methods of a client. */
export interface WriterScripts {
  s3compactCreate(key: string, ...fields: readonly string[]): Promise<unknown>;
  s3compactAppend(inode: string, list: string, set: string, ...args: readonly string[]): Promise<unknown>;
  s3compactChange(inode: string, ...fields: readonly string[]): Promise<unknown>;
}

/** Teaches the client the scripts; harmless when it knows them already. */
export function defineWriterScripts(redis: RedisClient): WriterScripts {
  redis.defineCommand('s3compactCreate', { numberOfKeys: 1, lua: CREATE });
  redis.defineCommand('s3compactAppend', { numberOfKeys: 3, lua: APPEND });
  redis.defineCommand('s3compactChange', { numberOfKeys: 1, lua: CHANGE });
  // defineCommand adds the methods at run time; ioredis has no type for that.
  return redis as unknown as WriterScripts;
}
