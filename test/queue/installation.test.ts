/** What stands beside the queue for the owner of a bucket: kept in Redis, given back to a queue that came back empty. */
import { afterAll, expect, it } from 'vitest';
import { QueueInstallation } from '../../src/queue/installation.ts';
import { openQueueWorld } from './world.ts';

const world = openQueueWorld('installation');
afterAll(() => world.close());
const options = { connection: world.redis, prefix: world.prefix };

it('is one for all processes, and a queue that came back empty is given all of it again', async () => {
  const first = new QueueInstallation(options);
  const second = new QueueInstallation(options);
  expect(await first.id()).toBeNull();
  const id = await first.makeId();
  expect(await second.makeId()).toBe(id);
  await first.addProven('before');
  expect([...(await second.proven())]).toEqual(['before']);
  await world.redis.del(`${world.prefix}:installation`);
  expect([...(await new QueueInstallation(options).proven())]).toEqual([]);
  expect([...(await second.proven())]).toEqual(['before']);
  expect(await second.makeId()).toBe(id);
  const third = new QueueInstallation(options);
  expect([await third.id(), ...(await third.proven())]).toEqual([id, 'before']);
});
