/** Ids for new slices that are old enough to be used, as every run but a volume's first finds them. */
import type { Redis } from 'ioredis';
import { serverOfKey } from '../../../src/redis/primary.ts';

/** More than any test or bench needs. */
const AGED_IDS = 10_000;
const OURS = '~s3compact';

export async function ageIds(redis: Redis): Promise<void> {
  const last = await redis.incrby('nextchunk', AGED_IDS);
  const life = await serverOfKey(redis, OURS);
  await redis.hset(OURS, 'ids', `${last - AGED_IDS + 1} ${last} 0 ${life}`);
}
