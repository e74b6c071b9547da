/**
 * Compacts one inode from a program of your own: metadata in Redis, objects in S3, reap records in a queue.
 * In a checkout: `REDIS_URL=… AWS_ENDPOINT_URL_S3=… node examples/compact-an-inode.ts 1 4711`.
 * The records that it leaves are worked off by any `s3compact worker` or `s3compact reap` with the same REDIS_URL.
 */
import {
  AttemptIds,
  type CompactLimits,
  compactInode,
  connectRedis,
  MemoryBudget,
  ReapQueue,
  RedisMetadata,
  S3ObjectStores,
  storesWithRetries,
  systemClock,
} from '../src/index.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const LIMITS: CompactLimits = {
  policy: { fragmentThreshold: 4, readGapBytes: 64 * 1024, bytesPerGet: 0.75 * MIB },
  chunksMax: 10,
  bytesMax: 1024 * MIB,
  requestsMax: 10_000,
  durationMaxMs: 10 * MINUTE_MS,
  leaseMs: 60 * MINUTE_MS,
  graceMs: 10 * MINUTE_MS,
  commitTimeoutMs: 10_000,
  blocksInFlight: 4,
  getsInFlight: 16,
};

const [fsId = '', inodeId = ''] = process.argv.slice(2);
const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const metadata = new RedisMetadata({ redis: connectRedis(url, { profile: 'metadata', timeoutMs: 10_000 }) });
const queueRedis = connectRedis(url, { profile: 'producer', timeoutMs: 10_000 });
const ledger = new ReapQueue({ connection: queueRedis, prefix: 's3compact' });
const stores = new S3ObjectStores({});
const objects = storesWithRetries(stores, { clock: systemClock });
try {
  const key = { fsId: Number(fsId), inodeId: BigInt(inodeId) };
  const deps = { metadata, objects, ledger, clock: systemClock };
  const own = { memory: new MemoryBudget(64 * MIB), attemptIds: new AttemptIds() };
  const result = await compactInode(key, { ...deps, ...own }, { limits: LIMITS });
  console.log(`${result.outcome}: ${result.gain.getsBefore} GETs before, ${result.gain.getsAfter} after`);
} finally {
  stores.close();
  await ledger.close();
  await metadata.close();
  queueRedis.disconnect();
}
