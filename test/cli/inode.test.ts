/** `s3compact inode` before anything is compacted: what it asks of the queue. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';
import { MetadataFixture } from './fixture.ts';

/** Its users change. */
let own: RedisService;
let fixture: MetadataFixture;

beforeEach(async () => {
  own = await startRedis();
  fixture = new MetadataFixture(own.url);
  await fixture.filesystem(1);
  await fixture.inode(1, { id: 5, length: 64 });
});
afterEach(async () => {
  fixture.close();
  await own.stop();
});

it('waits for a worker, too, where the server does not tell its clients', async () => {
  await fixture.redis.acl('SETUSER', 'half', 'on', '>pw', '~*', '&*', '+@all', '-client', '+client|setname');
  const url = own.url.replace('redis://', 'redis://half:pw@');
  const { exitCode, stdout, stderr } = await fixture.cli(['inode', '1', '5', '--wait', '300ms'], { REDIS_URL: url });
  expect(stdout).toContain('stays queued');
  expect(stderr).not.toContain('no worker');
  expect(exitCode).toBe(3);
});
