/**
 * Relations between settings, checked at start (I11): each value may be fine by itself and the set still unsafe.
 * One row per relation; a new relation is a new row. It reads no source and prints no secret.
 */
import { CURVEFS_SCHEME } from '../urls/curvefs.ts';
import { parseRedisUrl } from '../urls/redis.ts';
import type { SettingKey, Settings } from './table.ts';

/** A relation that must hold; `broken` is the sentence where it does not. Judged only when all of `uses` are valid. */
interface Relation {
  readonly uses: readonly SettingKey[];
  readonly holds: (settings: Settings) => boolean;
  readonly broken: (say: (key: SettingKey) => string, settings: Settings) => string;
}

/**
 * How long a run may go on after its time is over while the store serves nothing: the block in hand does one last read and
 * one last write, each with all patience, and commits. What takes even longer, because the store is slow or throttles,
 * ends by itself: the lease is checked before every try.
 */
export function runTailMs(settings: Settings): number {
  return 2 * (settings.s3PatienceMs + settings.s3TimeoutMs) + settings.redisTimeoutMs;
}

/** Below this a process does not get through its own start. */
const HEAP_BYTES_MIN = 64 * 1024 * 1024;

/**
 * The slowest that a process may go: every run that it has under way, each with its whole byte budget, ends within the
 * lease. In bytes a second, rounded up.
 */
function rateMin({ maxBytes, concurrency, leaseMs, maxRunMs }: Settings): number {
  return Math.ceil((maxBytes * concurrency * 1000) / (leaseMs - maxRunMs));
}

export const RELATIONS: readonly Relation[] = [
  {
    uses: ['requestsInFlightMin', 'requestsInFlight'],
    holds: (settings) => settings.requestsInFlightMin <= settings.requestsInFlight,
    broken: (say) => `${say('requestsInFlightMin')} must not be above ${say('requestsInFlight')}`,
  },
  {
    uses: ['bytesPerSecond', 'maxBytes', 'concurrency', 'leaseMs', 'maxRunMs'],
    holds: (settings) =>
      settings.bytesPerSecond === 0 ||
      settings.leaseMs <= settings.maxRunMs ||
      settings.bytesPerSecond >= rateMin(settings),
    broken: (say, settings) =>
      `${say('bytesPerSecond')} must be 0 or at least ${rateMin(settings)}: ${say('concurrency')} runs of ${say('maxBytes')} each could not end within ${say('leaseMs')} less ${say('maxRunMs')}, and would begin anew for ever`,
  },
  {
    uses: ['totalBytesPerSecond', 'processes', 'maxBytes', 'concurrency', 'leaseMs', 'maxRunMs'],
    holds: (settings) =>
      settings.totalBytesPerSecond === 0 ||
      settings.leaseMs <= settings.maxRunMs ||
      settings.totalBytesPerSecond >= settings.processes * rateMin(settings),
    broken: (say, settings) =>
      `${say('totalBytesPerSecond')} must be 0 or at least ${settings.processes * rateMin(settings)}, for this machine alone: ${say('concurrency')} runs of ${say('maxBytes')} each in ${say('processes')} processes could not end within ${say('leaseMs')} less ${say('maxRunMs')}`,
  },
  {
    uses: ['metadataUrl', 'quietPeriodMs', 'redisTimeoutMs'],
    holds: (settings) =>
      !settings.metadataUrl.startsWith(CURVEFS_SCHEME) || settings.quietPeriodMs > settings.redisTimeoutMs,
    broken: (say) =>
      `${say('quietPeriodMs')} must be longer than ${say('redisTimeoutMs')}, because ${say('metadataUrl')} compares nothing when it commits: a commit still on its way could meet a list that was written to and compacted since`,
  },
  {
    uses: ['processMemoryBytes'],
    holds: (settings) => settings.processMemoryBytes === 0 || settings.processMemoryBytes >= HEAP_BYTES_MIN,
    broken: (say) =>
      `${say('processMemoryBytes')} must be 0 or at least 64MiB: a process would run out of memory while it starts`,
  },
  {
    uses: ['graceMs', 'readerCacheLifeMs'],
    holds: (settings) => settings.graceMs > settings.readerCacheLifeMs,
    broken: (say) =>
      `${say('graceMs')} must be longer than ${say('readerCacheLifeMs')}: a client may still read by a list that it cached, and would find its objects deleted`,
  },
  {
    uses: ['leaseMs', 'maxRunMs', 's3TimeoutMs', 's3PatienceMs', 'redisTimeoutMs'],
    holds: (settings) => settings.leaseMs > settings.maxRunMs + runTailMs(settings),
    broken: (say, settings) =>
      `${say('leaseMs')} must be longer than ${say('maxRunMs')} plus the ${Math.ceil(runTailMs(settings) / 1000)}s that the last requests of a run may take (2 × (${say('s3PatienceMs')} + ${say('s3TimeoutMs')}) + ${say('redisTimeoutMs')}): or a run would count as dead while it works`,
  },
  {
    uses: ['gcMinAgeMs', 'leaseMs', 'graceMs'],
    holds: (settings) => settings.gcMinAgeMs > settings.leaseMs + settings.graceMs,
    broken: (say) =>
      `${say('gcMinAgeMs')} must be longer than ${say('leaseMs')} plus ${say('graceMs')}: gc would take what an attempt writes, or a reader still reads, for an orphan`,
  },
  {
    uses: ['redisTimeoutMs', 'leaseMs'],
    holds: (settings) => settings.redisTimeoutMs < settings.leaseMs,
    broken: (say) =>
      `${say('redisTimeoutMs')} must be shorter than ${say('leaseMs')}: a commit must be answered while its attempt lives`,
  },
  {
    uses: ['redisTimeoutMs', 'lockDurationMs'],
    holds: (settings) => 2 * settings.redisTimeoutMs < settings.lockDurationMs,
    broken: (say) =>
      `${say('redisTimeoutMs')} must be shorter than half of ${say('lockDurationMs')}: locks are renewed at half time, and one slow answer would let a second worker take the job`,
  },
  {
    uses: ['lockDurationMs', 'leaseMs'],
    holds: (settings) => settings.lockDurationMs <= settings.leaseMs,
    broken: (say) =>
      `${say('lockDurationMs')} must not be longer than ${say('leaseMs')}: a dead worker's job would wait beyond its own attempt`,
  },
  {
    uses: ['redisUrl', 'queuePrefix'],
    holds: (settings) => parseRedisUrl(settings.redisUrl).form !== 'cluster' || settings.queuePrefix.startsWith('{'),
    broken: (say, settings) =>
      `${say('queuePrefix')} must be in braces, as {${settings.queuePrefix}}, because ${say('redisUrl')} is a cluster: the keys of a queue must share one slot`,
  },
];
