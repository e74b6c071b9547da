/**
 * Servers that are killed and started again: what they held is there again, and nothing is left behind in the end. Real
 * servers only; where one is not installed there is nothing to keep.
 */
import { existsSync } from 'node:fs';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import { AofTail } from '../chaos/aof.ts';
import { startKeptRedis, startKeptS3 } from '../kit/servers/kept.ts';
import { findRedis } from '../kit/servers/redis.ts';
import { clientFor, missingCephPrograms } from '../kit/servers/s3.ts';

const NAME = '1_1000_7_0_123';

test.each(findRedis() === undefined ? [] : ['a real Redis'])(
  '%s comes back with what it had, or without its last writes when its file is cut',
  async () => {
    const kept = await startKeptRedis();
    onTestFinished(() => kept.stop());
    const redis = new Redis(kept.url, { retryStrategy: () => 20 });
    redis.on('error', () => undefined);
    onTestFinished(() => redis.disconnect());
    const aof = new AofTail(kept.server.directory);
    onTestFinished(() => aof.stop());
    await redis.set('early', `["${NAME}"]`);
    const earlyAtMs = performance.now();
    await kept.server.end('SIGKILL');
    await kept.server.start();
    expect(await redis.get('early')).toBe(`["${NAME}"]`);
    // The file is looked at every few milliseconds; the cut goes to the last look before the late write.
    await vi.waitFor(() => expect(performance.now() - earlyAtMs).toBeGreaterThan(200));
    const lateAtMs = performance.now();
    await redis.set('late', `["${NAME}","other"]`);
    await kept.server.end('SIGKILL');
    expect(aof.cut(lateAtMs, 0)).toBeGreaterThan(0);
    await kept.server.start();
    expect(await redis.mget('early', 'late')).toEqual([`["${NAME}"]`, null]);
    // Evidence is only what Redis was not told of before.
    expect(aof.firstWrittenInLostEnd([NAME, 'other', 'never'])).toEqual(['other']);
    await kept.stop();
    expect(existsSync(kept.server.directory)).toBe(false);
  },
);

test.each(missingCephPrograms().length > 0 ? [] : (['SIGTERM', 'SIGKILL'] as const))(
  'a real S3 server that ended by %s comes back with its objects',
  async (signal) => {
    const kept = await startKeptS3();
    onTestFinished(() => kept.stop());
    const client = clientFor(kept);
    onTestFinished(() => client.destroy());
    await kept.createBucket('bucket');
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'key', Body: Buffer.from('bytes') }));
    await kept.server.end(signal);
    await expect(fetch(kept.endpoint)).rejects.toThrow();
    await kept.server.start();
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'key' }));
    expect(await Body?.transformToString()).toBe('bytes');
    await kept.stop();
    expect(existsSync(kept.server.directory)).toBe(false);
  },
);
