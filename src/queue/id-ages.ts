/**
 * Which ids are old. The highest chunkId of each file system is noted now and then with the clock of the queue's Redis: what
 * has an id up to one that was noted a while ago was written before then, whatever the clocks of clients say. Losing the
 * notes, or ids that are given out again, cost bytes that are moved and nothing else. It must not judge.
 */
import { type OldIds, REST_MS } from '../ledger.ts';
import { type Filesystem, UINT64_MAX } from '../model.ts';
import { ledgerMs } from '../time.ts';
import { type QueueOptions, queueCall } from './bullmq.ts';

/** From one note to the next but one at least, so a handful is kept. */
const NOTE_EVERY_MS = 60_000;
/** Notes of a file system that nobody works on. */
const NOTES_LIFE_MS = 7 * 24 * 3_600_000;

/**
 * KEYS: the notes, "ms id", oldest first. ARGV: REST_MS, the highest id by now or '', NOTE_EVERY_MS, NOTES_LIFE_MS. Answers the
 * newest note that is old enough, and now. Notes of the future come from a clock that was set back. The newest note is always of now: it
 * takes the place of one that came too soon after the one before.
 */
const OLD_IDS = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local notes = redis.call('LRANGE', KEYS[1], 0, -1)
local at = function(n) return notes[n] and tonumber(string.match(notes[n], '^%d+') or 0) end
if notes[1] and at(#notes) > now then
  notes = {}
  if ARGV[2] ~= '' then redis.call('DEL', KEYS[1]) end
end
local first = 1
while notes[first + 1] and at(first + 1) <= now - ARGV[1] do first = first + 1 end
if ARGV[2] ~= '' then
  if first < #notes and at(#notes) - at(#notes - 1) < tonumber(ARGV[3]) then redis.call('RPOP', KEYS[1]) end
  redis.call('LTRIM', KEYS[1], first - 1, -1)
  redis.call('RPUSH', KEYS[1], string.format('%.0f %s', now, ARGV[2]))
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return (notes[first] and at(first) <= now - ARGV[1] and notes[first] or '') .. string.format(' %.0f', now)
`;

/** Where the notes of a file system stand. */
export function idNotesKey({ prefix }: Pick<QueueOptions, 'prefix'>, fsUuid: string): string {
  return `${prefix}:ids:${fsUuid}`;
}

/**
 * Notes the highest id of now, too, unless `lookOnly`. `null`: not known, or the service does not tell its ids. Errors are
 * CompactError `queue-unavailable` (retry).
 */
export async function askOldIds(
  { connection, prefix }: QueueOptions,
  { uuid, lastChunkId }: Filesystem,
  lookOnly = false,
): Promise<OldIds | null> {
  if (lastChunkId === undefined || lastChunkId === UINT64_MAX) return null;
  const args = [REST_MS, lookOnly ? '' : `${lastChunkId}`, NOTE_EVERY_MS, NOTES_LIFE_MS];
  const note = await queueCall('ask which ids are old', () =>
    connection.eval(OLD_IDS, 1, idNotesKey({ prefix }, uuid), ...args),
  );
  const [, ms, chunkId, nowMs] = /^(\d+) (\d+) (\d+)$/.exec(`${note}`) ?? [];
  if (ms === undefined || chunkId === undefined) return null;
  const old = { atMs: ledgerMs(Number(ms)), chunkId: BigInt(chunkId) };
  // The note of now may be replaced by one that comes soon after it.
  return lookOnly ? old : { ...old, againMs: ledgerMs(Number(nowMs) + REST_MS + NOTE_EVERY_MS) };
}
