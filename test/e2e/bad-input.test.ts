/**
 * What operators do wrong and what breaks around us: each gets a clear error and the right exit code, nothing is lost,
 * nothing is left behind, and no secret is printed.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { startRedis } from '../kit/servers/redis.ts';
import { type CommandEnding, E2eWorld } from './world.ts';

const INODE = 77n;
let world: E2eWorld;
const printed: string[] = [];

beforeAll(() => {
  printed.length = 0;
});

beforeEach(async () => {
  world = await E2eWorld.open('bad-input');
});

afterEach(() => world.close());

afterAll(() => {
  // Every byte that any command of this file printed.
  expect(printed.join('')).not.toContain(inject('s3').secretAccessKey);
  expect(printed.join('')).not.toContain('hunter2');
  expect(printed.length).toBeGreaterThan(10);
});

async function inode(
  flags: readonly string[] = ['--inline'],
  env: Record<string, string> = {},
): Promise<CommandEnding> {
  const ending = await world.command(['inode', '1', `${INODE}`, ...flags], env);
  printed.push(ending.stdout, ending.stderr);
  return ending;
}

/** A file that is worth compacting: 25 pages and an overwrite. */
async function fragmentedFile(): Promise<void> {
  await world.writer.createInode(INODE);
  for (let n = 0; n < 25; n++) await world.writer.write(INODE, n * 100, 120);
}

/** Nothing changed but, at most, records that the reaper works off. */
async function expectUntouched(): Promise<void> {
  const before = await world.writer.state(INODE);
  await world.reapAll();
  expect(await world.writer.state(INODE)).toEqual(before);
  expect([...before.lists.values()].flat().every((version) => version.compaction === 0n)).toBe(true);
  const stored = await world.writer.bucketNames();
  const referenced = await world.writer.referencedNames([INODE]);
  expect(stored.filter((name) => !referenced.includes(name))).toEqual([]);
}

/** What the lists reference is not whole in the store: nothing is deleted, whatever an attempt has left (I10). */
async function expectKept(): Promise<void> {
  const before = await world.writer.state(INODE);
  const stored = await world.writer.bucketNames();
  await expect(world.reapAll()).rejects.toThrow('the store lacks objects that the lists of inode');
  expect(await world.writer.state(INODE)).toEqual(before);
  expect(await world.writer.bucketNames()).toEqual(stored);
}

describe('what there is not', () => {
  it('an unknown file system', async () => {
    const { exitCode, stderr } = await world.command(['inode', '99', '1', '--inline']);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('there is no file system 99');
  });

  it('an unknown inode', async () => {
    const { exitCode, stderr } = await inode();
    expect(exitCode).toBe(4);
    expect(stderr).toContain('inode 1/77 does not exist');
  });

  it('a directory', async () => {
    await world.writer.createInode(INODE, { type: 'directory' });
    const { exitCode, stderr } = await inode([]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('of type "directory"');
    expect(await world.clients.queue.jobIdOf({ fsId: 1, inodeId: INODE })).toBeNull();
  });

  it('an unlinked inode', async () => {
    await fragmentedFile();
    await world.writer.unlink(INODE);
    const { exitCode, stderr } = await inode();
    expect(exitCode).toBe(4);
    expect(stderr).toContain('is unlinked');
    await expectUntouched();
  });

  it('a number that is none', async () => {
    const { exitCode, stderr } = await world.command(['inode', '1', '5x', '--inline']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('whole number');
  });
});

describe('lists that break the format: the inode is quarantined and nothing is repaired by guessing', () => {
  it.each([
    ['a record that does not parse', '5,0,x,10,10,0', 'version record'],
    ['a record with a field too few', '5,0,0,10,10', 'version record'],
    ['an offset above 2^53', `5,0,${2n ** 53n},10,10,0`, 'version record'],
    ['a version across a chunk border', '5,0,65530,10,10,0', 'crosses the border'],
    ['a version of length 0', '5,0,0,0,0,0', 'length is 0'],
  ])('%s', async (_what, record, told) => {
    await fragmentedFile();
    const list = `${world.writer.inodeKey(INODE)}:0`;
    await world.writer.options.redis.rpush(list, record);
    const before = await world.writer.options.redis.lrange(list, 0, -1);
    const objects = await world.writer.bucketNames();

    const first = await inode();
    expect(first.exitCode).toBe(4);
    expect(first.stdout).toContain('quarantine');
    expect(first.stdout).toContain(told);
    expect(first.stdout).toContain('1/77');
    const second = await inode();
    expect(second.exitCode).toBe(4);
    expect(second.stdout).toContain('is in quarantine');

    expect(await world.writer.options.redis.lrange(list, 0, -1)).toEqual(before);
    expect(await world.writer.bucketNames()).toEqual(objects);
    expect(await world.clients.ledger.queue.getDelayedCount()).toBe(0);
  });
});

describe('objects that are not as the list says', () => {
  it('a missing object is "not uploaded yet": later, and quarantine only after the last try', async () => {
    await fragmentedFile();
    const [name = ''] = await world.writer.bucketNames();
    await world.writer.deleteObjects([name]);
    const { exitCode, stdout } = await inode();
    expect(exitCode).toBe(3);
    expect(stdout).toContain(name);
    await expectKept();
    const last = await inode(['--inline', '--job-tries', '1', '--upload-wait', '0s']);
    expect(last.exitCode).toBe(4);
    expect(last.stdout).toContain('quarantine');
    expect(last.stdout).not.toMatch(/\b(?:later|repeated)\b/);
    await expectKept();
  });

  it('a short object', async () => {
    await fragmentedFile();
    const [name = ''] = await world.writer.bucketNames();
    await world.writer.putObject(name, Buffer.from('short'));
    const { exitCode, stdout } = await inode();
    expect(exitCode).toBe(3);
    expect(stdout).toContain(name);
    await expectKept();
  });

  it('an object that is uploaded late is compacted then', async () => {
    await fragmentedFile();
    const [name = ''] = await world.writer.bucketNames();
    const body = await world.writer.objectBytes(name);
    await world.writer.deleteObjects([name]);
    expect((await inode()).exitCode).toBe(3);
    await world.writer.putObject(name, body);
    expect((await inode()).exitCode).toBe(0);
    expect(await world.writer.readFault(INODE)).toBeNull();
  });
});

describe('the store', () => {
  it('a bucket that does not exist', async () => {
    await fragmentedFile();
    const { redis, prefix, bucket } = world.writer.options;
    await redis.hset(`${prefix}:{1}`, { bucket: `${bucket}-gone` });
    const { exitCode, stdout } = await inode();
    expect(exitCode).toBe(4);
    expect(stdout).toContain(`${bucket}-gone`);
    // The inode is not to blame.
    expect(stdout).not.toContain('quarantine');
  });

  it('wrong credentials', async () => {
    await fragmentedFile();
    const right = process.env['AWS_ACCESS_KEY_ID'];
    try {
      process.env['AWS_ACCESS_KEY_ID'] = 'nobody';
      process.env['AWS_SECRET_ACCESS_KEY'] = 'hunter2';
      const { exitCode, stdout } = await inode();
      expect(exitCode).toBe(4);
      expect(stdout).toMatch(/credentials|refused|denied/i);
      expect(stdout).not.toContain('quarantine');
    } finally {
      process.env['AWS_ACCESS_KEY_ID'] = right;
      process.env['AWS_SECRET_ACCESS_KEY'] = inject('s3').secretAccessKey;
    }
    await expectUntouched();
  });

  it('a store that is down is worth another try', async () => {
    await fragmentedFile();
    const env = { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9', S3COMPACT_S3_PATIENCE: '1s' };
    const { exitCode, stdout } = await inode(['--inline'], env);
    expect(exitCode).toBe(3);
    expect(stdout).toContain('later');
    await expectUntouched();
  });
});

describe('Redis', () => {
  it('that is down: told within the time-out, without the password', async () => {
    const env = {
      REDIS_URL: 'redis://user:hunter2@127.0.0.1:9',
      METADATA_URL: inject('redisUrl'),
      S3COMPACT_REDIS_TIMEOUT: '300ms',
    };
    const { exitCode, stderr } = await inode(['--inline'], env);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('REDIS_URL');
  });

  it('metadata that is down', async () => {
    const env = { METADATA_URL: 'redis://:hunter2@127.0.0.1:9', S3COMPACT_REDIS_TIMEOUT: '300ms' };
    const { exitCode, stderr } = await inode(['--inline'], env);
    expect(exitCode).toBe(3);
    expect(stderr).not.toBe('');
  });

  it('without noeviction is refused before anything is done', async () => {
    const evicting = await startRedis({ config: ['--maxmemory-policy', 'allkeys-lru'] });
    try {
      const { exitCode, stderr } = await inode(['--inline'], {
        REDIS_URL: evicting.url,
        METADATA_URL: inject('redisUrl'),
      });
      expect(exitCode).toBe(4);
      expect(stderr).toContain('noeviction');
    } finally {
      await evicting.stop();
    }
  });
});

describe('settings', () => {
  it('out of range and in contradiction: all problems at once, secrets never', async () => {
    const env = {
      S3COMPACT_GRACE: '10s',
      S3COMPACT_READER_CACHE_LIFE: '1h',
      S3COMPACT_FRAGMENT_THRESHOLD: '-3',
      S3COMPACT_MAX_BYTES: 'lots',
      REDIS_URL: 'http://user:hunter2@example',
    };
    const { exitCode, stderr } = await inode(['--inline', '--lease', '5y'], env);
    expect(exitCode).toBe(2);
    for (const told of [
      'S3COMPACT_FRAGMENT_THRESHOLD',
      'S3COMPACT_MAX_BYTES',
      'REDIS_URL',
      'lease',
      'S3COMPACT_GRACE',
    ]) {
      expect(stderr).toContain(told);
    }
  });

  it('a budget that not even one block fits into is told, and no continuation follows', async () => {
    await fragmentedFile();
    const { exitCode, stdout } = await inode(['--inline', '--max-bytes', '1']);
    expect(exitCode).toBe(2);
    expect(stdout).toContain('over budget');
    expect(stdout).toContain('S3COMPACT_MAX_BYTES');
    expect(await world.clients.queue.jobIdOf({ fsId: 1, inodeId: INODE })).toBeNull();
    await expectUntouched();
  });

  it('no worker: the command says so and ends at its time limit with the inode queued', async () => {
    await fragmentedFile();
    const { exitCode, stdout, stderr } = await inode(['--wait', '300ms']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('no worker is connected to the queue yet: one that is starting takes the job');
    expect(stdout).toContain('stays queued');
    expect(await world.clients.queue.jobIdOf({ fsId: 1, inodeId: INODE })).not.toBeNull();
  });
});

describe('--dry-run', () => {
  it('shows the plan and changes nothing', async () => {
    await fragmentedFile();
    const keys = async () => (await world.writer.options.redis.keys(`*${world.settings.queuePrefix}*`)).length;
    const before = {
      state: await world.writer.state(INODE),
      objects: await world.writer.bucketNames(),
      keys: await keys(),
    };
    const { exitCode, stdout } = await inode(['--dry-run']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Nothing was changed');
    expect({
      state: await world.writer.state(INODE),
      objects: await world.writer.bucketNames(),
      keys: await keys(),
    }).toEqual(before);
  });
});
