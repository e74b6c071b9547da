/**
 * What doctor, plan and a run say of a JuiceFS volume: whose server lets them run no scripts, or not write; whose file is new, or has a name and a time
 * that somebody chose to harm.
 */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Check } from '../../src/cli/doctor-check.ts';
import { run } from '../../src/cli/main.ts';
import { RawVolume, wholeSlice } from '../kit/juicefs/raw-volume.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';

const MANUAL = readFileSync(new URL('../../docs/juicefs.md', import.meta.url), 'utf8');
const DATABASE = 1;
const INODE = 5;

let service: RedisService;
let redis: Redis;

beforeAll(async () => {
  service = await startRedis();
  redis = new Redis(`${service.url}/${DATABASE}`);
  const raw = new RawVolume(redis, '');
  await raw.format('vol');
  await raw.fragmented(INODE);
  await raw.volume.close();
});
afterAll(async () => {
  redis.disconnect();
  await service.stop();
});

async function command(argv: readonly string[], user = '', more: Readonly<Record<string, string>> = {}) {
  const { host } = new URL(service.url);
  const out = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof out) => ({ write: (text: string) => (out[name] += text) });
  const env = {
    METADATA_URL: `juicefs+redis://${user === '' ? '' : `${user}:pw@`}${host}/${DATABASE}`,
    REDIS_URL: service.url,
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
    S3COMPACT_LOG_LEVEL: 'error',
    ...more,
  };
  const exitCode = await run(argv, env, { stdout: stream('stdout'), stderr: stream('stderr') });
  return { exitCode, ...out };
}

async function compaction(user?: string, more?: Readonly<Record<string, string>>): Promise<Check | undefined> {
  const { stdout } = await command(['doctor', '1', '--json'], user, more);
  const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] };
  return checks.find(({ check }) => check === 'compaction');
}

async function everything(): Promise<unknown> {
  const keys = (await redis.keys('*')).toSorted();
  return Promise.all(keys.map(async (key) => [key, (await redis.dumpBuffer(key))?.toString('hex')]));
}

it('plan says of a file that was written lately what is left, since when, and when to come again', async () => {
  const raw = new RawVolume(redis, '');
  const mtimeSeconds = Math.floor(Date.now() / 1000);
  await raw.inode(6, { length: 20, mtimeSeconds });
  await raw.list(
    6,
    0,
    Array.from({ length: 20 }, (_, n) => wholeSlice(n + 41, n, 1)),
  );
  await raw.volume.close();
  const argv = ['plan', '1', '6', '--aggressiveness', '1'];
  const againMs = (mtimeSeconds + 240) * 1000;
  expect(JSON.parse((await command([...argv, '--json'])).stdout)).toMatchObject({
    outcome: 'nothing',
    resting: { chunks: 1, againMs },
  });
  const { stdout } = await command(argv);
  expect(stdout).toContain('inode 6: nothing to do yet');
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain(`come again at ${new Date(againMs).toISOString().slice(0, 19)}Z`);
  expect((await command(['plan', '1', '6', '--aggressiveness', '1GiB'])).stdout).toContain('1 chunk worth compacting');
  await redis.del('i6', 'c6_0');
});

it.each([2 ** 50, -(2 ** 50)])('a file changed %d seconds after 1970 is shown, if not when', async (mtimeSeconds) => {
  const raw = new RawVolume(redis, '');
  await raw.inode(6, { length: 20, mtimeSeconds });
  await raw.list(
    6,
    0,
    Array.from({ length: 20 }, (_, n) => wholeSlice(n + 41, n, 1)),
  );
  await raw.volume.close();
  const inspected = await command(['inspect', '1', '6']);
  expect(inspected.stdout).toContain('inode 6: 20 B, changed at an unknown time, 1 link');
  const planned = await command(['plan', '1', '6', '--aggressiveness', '1']);
  expect([inspected.exitCode, planned.exitCode, planned.stderr]).toEqual([0, 0, '']);
  await redis.del('i6', 'c6_0');
});

it('a name that holds what a terminal obeys is shown, and not obeyed; programs get it as it is', async () => {
  const raw = new RawVolume(redis, '');
  const name = 'a\u001b]0;owned\u0007\nb';
  await raw.inode(6, { length: 1, parent: 1n });
  await raw.name(1, name, 'file', 6);
  await raw.list(6, 0, [wholeSlice(41, 0, 1), wholeSlice(42, 0, 1)]);
  await raw.volume.close();
  for (const argv of [
    ['inspect', '1', '6'],
    ['waste', '1'],
  ]) {
    const { stdout } = await command(argv);
    expect(stdout).toContain('/a\\x1b]0;owned\\x07\\x0ab');
    expect(stdout.split('\u001b').length).toBe(1);
    expect((await command([...argv, '--json'])).stdout).toContain(JSON.stringify(`/${name}`));
  }
  await redis.del('i6', 'c6_0', 'd1');
});

it('doctor finds that scripts run, and changes nothing', async () => {
  const before = await everything();
  expect(await compaction()).toMatchObject({ status: 'ok' });
  expect(await everything()).toEqual(before);
});

it.each([
  ['-info', 'let INFO through'],
  ['-lpush', 'this user lacks a permission'],
  ['-set', 'not confirmed to be the primary: it refused (NOPERM)'],
])('doctor finds that a user with %s has not all that a run needs', async (without, says) => {
  await redis.acl('SETUSER', 'few', 'reset', 'on', '>pw', '~*', '+@all', without);
  const before = await everything();
  expect(await compaction('few')).toMatchObject({ status: 'warning', found: expect.stringContaining(says) });
  expect(await everything()).toEqual(before);
});

it('doctor tries WAIT where replicas must confirm, and nowhere else', async () => {
  await redis.acl('SETUSER', 'few', 'reset', 'on', '>pw', '~*', '+@all', '-wait');
  expect(await compaction('few')).toMatchObject({ status: 'ok' });
  const says = 'not confirmed to be the primary: it refused (NOPERM)';
  const one = await compaction('few', { METADATA_REPLICAS: '1' });
  expect(one).toMatchObject({ status: 'warning', found: expect.stringContaining(says) });
});

it('doctor --write says that it has tried nothing there', async () => {
  const { exitCode, stdout } = await command(['doctor', '1', '--write', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({
    checks: expect.arrayContaining([
      {
        check: 'put',
        status: 'unknown',
        found: expect.stringContaining('not asked'),
      },
    ]),
  });
  expect(exitCode).toBe((await command(['doctor', '1'])).exitCode);
});

it('doctor is content with the rights that the manual names', async () => {
  const named = /ACL SETUSER s3compact on >PASSWORD (.*)/.exec(MANUAL)?.[1]?.split(' ') ?? [];
  const more = /more than the one below: `(.*?)`/.exec(MANUAL)?.[1]?.split(' ') ?? [];
  await redis.acl('SETUSER', 'few', 'reset', 'on', '>pw', ...named, ...more);
  expect(await compaction('few')).toMatchObject({ status: 'ok' });
});

it.each([
  ['may run no scripts, as where a server has none', ['+@all', '-@scripting']],
  ['may only read', ['-@all', '+@read', '+@connection', '+info']],
  ['may run scripts that only read', ['-@all', '+@read', '+@connection', '+@scripting', '+info', '+time']],
  ['may all but ask for the time', ['-@all', '+@read', '+@write', '+@connection', '+@scripting', '+info']],
])('a user who %s: doctor says so beforehand, a run is refused, and nothing is changed', async (_, rules) => {
  await redis.acl('SETUSER', 'few', 'reset', 'on', '>pw', '~*', ...rules);
  const before = await everything();
  expect(await compaction('few')).toMatchObject({
    status: 'warning',
    found: expect.stringMatching(
      /this volume is refused: .*(grant it @read, @write and @scripting|can't run this command)/,
    ),
  });
  const { exitCode, stdout } = await command(['inode', '1', `${INODE}`, '--inline', '--json'], 'few');
  expect({ exitCode, report: JSON.parse(stdout) }).toMatchObject({
    exitCode: 4,
    report: { ending: 'halted', code: 'metadata-refused', chunksCompacted: 0 },
  });
  expect(await everything()).toEqual(before);
});
