/**
 * From settings to the writer of `s3compact example`, the one command that makes files. Apart from the other clients, so
 * that nothing that compacts has one. It opens; it writes nothing.
 */
import type { Settings } from '../config/index.ts';
import type { ObjectStores } from '../objects/port.ts';
import { connectRedis } from '../redis/client.ts';
import { FsWriter } from '../writer/fs-writer.ts';

export { openStores } from './clients.ts';

export function openWriter(settings: Settings, objects: ObjectStores): { writer: FsWriter; close(): void } {
  const timeoutMs = settings.redisTimeoutMs;
  const redis = connectRedis(settings.metadataUrl, { profile: 'metadata', timeoutMs });
  const writer = new FsWriter({ redis, objects, keyPrefix: settings.metadataPrefix, timeoutMs });
  return { writer, close: () => redis.disconnect() };
}
