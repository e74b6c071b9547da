/** What doctor and a run say of a JuiceFS volume whose server does not let them run scripts, or does not let them write. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Check } from '../../src/cli/doctor-check.ts';
import { run } from '../../src/cli/main.ts';
import { RawVolume, wholeSlice } from '../kit/juicefs/raw-volume.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';

const DATABASE = 1;
const INODE = 5;

let service: RedisService;
let redis: Redis;

beforeAll(async () => {
  service = await startRedis();
  redis = new Redis(`${service.url}/${DATABASE}`);
  const raw = new RawVolume(redis, '');
  await raw.format('vol');
  await raw.inode(INODE, { length: 20 });
  await raw.list(
    INODE,
    0,
    Array.from({ length: 20 }, (_, n) => wholeSlice(n + 1, n, 1)),
  );
  await redis.mset('nextchunk', '100', 'nextinode', '100');
  await raw.volume.close();
});
afterAll(async () => {
  redis.disconnect();
  await service.stop();
});

async function command(argv: readonly string[], user = '') {
  const { host } = new URL(service.url);
  const out = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof out) => ({ write: (text: string) => (out[name] += text) });
  const env = {
    ...{
      METADATA_URL: `juicefs+redis://${user === '' ? '' : `${user}:pw@`}${host}/${DATABASE}`,
      REDIS_URL: service.url,
    },
    ...{ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', S3COMPACT_LOG_LEVEL: 'error' },
  };
  const exitCode = await run(argv, env, { stdout: stream('stdout'), stderr: stream('stderr') });
  return { exitCode, ...out };
}

async function compaction(user?: string): Promise<Check | undefined> {
  const { stdout } = await command(['doctor', '1', '--json'], user);
  const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] };
  return checks.find(({ check }) => check === 'compaction');
}

async function everything(): Promise<unknown> {
  const keys = (await redis.keys('*')).toSorted();
  return Promise.all(keys.map(async (key) => [key, (await redis.dumpBuffer(key))?.toString('hex')]));
}

it('doctor finds that scripts run, and changes nothing', async () => {
  const before = await everything();
  expect(await compaction()).toMatchObject({ status: 'ok' });
  expect(await everything()).toEqual(before);
});

it.each([
  ['may run no scripts, as where a server has none', ['+@all', '-@scripting']],
  ['may only read', ['-@all', '+@read', '+@connection', '+info']],
  ['may run scripts that only read', ['-@all', '+@read', '+@connection', '+@scripting', '+info', '+time']],
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
