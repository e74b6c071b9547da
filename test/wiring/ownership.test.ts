/** What the wiring says of the metadata server to the owner of a bucket (docs/adr/0019). */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import type { Ownership } from '../../src/reap/bucket-owner.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { type RedisClient, whenReady } from '../../src/redis/link.ts';
import { openOwnership } from '../../src/wiring/clients.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { FILESYSTEM } from '../metadata/world.ts';
import { MemoryObjectStores } from '../objects/memory-store.ts';
import { MemoryMetadata, MetadataState } from '../sim/memory-metadata.ts';

let redis: RedisService;
let connection: RedisClient;
beforeEach(async () => {
  redis = await startRedis();
  connection = connectRedis(redis.url, { profile: 'producer' });
  expect(await whenReady(connection, 10_000)).toBeNull();
});
afterEach(async () => {
  connection.disconnect();
  await redis.stop();
});

class Silent extends MemoryMetadata {
  override async incarnation(): Promise<string> {
    return '';
  }
}

it('I10: servers that do not say which life they are are not one and the same', async () => {
  const objects = new MemoryObjectStores();
  objects.bucket(FILESYSTEM.bucket);
  const at = (host: string, prefix: string): Ownership => {
    const env = { REDIS_URL: redis.url, METADATA_URL: `redis://${host}:6379` };
    const metadata = new Silent(new MetadataState());
    const queues = { connection, prefix };
    return openOwnership(loadSettings({ env, flags: {} }), { metadata, objects, queues });
  };
  await at('production', 'p').require(FILESYSTEM);
  await expect(at('staging', 's').require(FILESYSTEM)).rejects.toMatchObject({ code: 'bucket-owned' });
});
