/**
 * `npm run bench:service [-- --inodes N --rounds N]`: one number for the whole service. `s3compact run` over a file system of
 * fragmented files, from the scan to the last delete, on a Redis and a radosgw of its own, against a bare loop that makes the
 * same requests to S3 and as many round trips to Redis: ratios of time and of processor time, and requests for each chunk.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { startRedis } from '../../test/kit/servers/redis.ts';
import { type S3Service, startS3 } from '../../test/kit/servers/s3.ts';
import { LONG, soakEnv } from '../../test/soak/settings.ts';
import { childrenSeconds } from '../servers/children-seconds.ts';
import type { BareOrder } from './bare.ts';
import { countRedis, type Recorded, recordS3 } from './record.ts';
import { FS_ID, makeWorld, PIECES } from './world.ts';

const { values } = parseArgs({
  options: { inodes: { type: 'string', default: '300' }, rounds: { type: 'string', default: '1' } },
});
const INODES = Number(values.inodes);
const ROUNDS = Number(values.rounds);
/** GETs in flight of a run, by default. */
const IN_FLIGHT = 16;
const COMMAND = fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
const BARE = fileURLToPath(new URL('bare.ts', import.meta.url));

interface Spent {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function timed(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Spent> {
  const [cpuBefore, startedMs] = [childrenSeconds(), performance.now()];
  const child = spawn(process.execPath, ['--max-semi-space-size=4', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${args.join(' ')}: exit code ${code}: ${said}`);
  return { seconds: (performance.now() - startedMs) / 1000, cpuSeconds: childrenSeconds() - cpuBefore };
}

function service(bucket: string, redisUrl: string, s3: S3Service): Promise<Spent> {
  const place = { redisUrl, s3, bucket, metadataPrefix: bucket, queuePrefix: `{q-${bucket}}` };
  const more = { S3COMPACT_CONCURRENCY: '8', S3COMPACT_LOG_LEVEL: 'error', S3COMPACT_FRAGMENT_THRESHOLD: '4' };
  return timed([COMMAND, 'run', `${FS_ID}`], { ...soakEnv(place, LONG), ...more });
}

async function commandsOf(redis: Redis): Promise<Map<string, number>> {
  const text = await redis.info('commandstats');
  return new Map(
    [...text.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)].map(([, name = '', calls]) => [name, Number(calls)]),
  );
}

function counted(names: Iterable<string>): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return listed(counts);
}

function listed(counts: ReadonlyMap<string, number>): string {
  const most = [...counts].filter(([, calls]) => calls / INODES >= 0.02).toSorted((a, b) => b[1] - a[1]);
  return most.map(([name, calls]) => `${name} ${(calls / INODES).toFixed(2)}`).join(', ');
}

const [server, s3] = await Promise.all([startRedis({ prefer: 'real' }), startS3({ prefer: 'real' })]);
const redis = new Redis(server.url);
const folder = mkdtempSync(join(tmpdir(), 's3compact-bench-'));
try {
  console.log(`${INODES} files of ${PIECES} pieces; ${server.kind} ${server.version}, ${s3.kind} ${s3.version}`);
  await makeWorld(redis, s3, 'recorded', INODES);
  const [s3Proxy, redisProxy] = await Promise.all([recordS3(s3.endpoint), countRedis(server.url)]);
  const before = await commandsOf(redis);
  await service('recorded', redisProxy.url, { ...s3, endpoint: s3Proxy.endpoint });
  const after = await commandsOf(redis);
  const commands = new Map([...after].map(([name, calls]) => [name, calls - (before.get(name) ?? 0)]));
  const requests: readonly Recorded[] = s3Proxy.requests;
  const roundTrips = redisProxy.roundTrips();
  s3Proxy.close();
  redisProxy.close();
  const kind = ({ method, path }: Recorded): string => `${method}${/\?[a-z-]+/.exec(path)?.[0] ?? ''}`;
  console.log(`S3 requests for each chunk: ${(requests.length / INODES).toFixed(2)} (${counted(requests.map(kind))})`);
  console.log(`round trips to Redis for each chunk: ${(roundTrips / INODES).toFixed(2)}`);
  console.log(`commands in Redis, those inside scripts included: ${listed(commands)}`);
  for (let round = 0; round < ROUNDS; round++) {
    const [own, other] = [`ours${round}`, `bare${round}`];
    await makeWorld(redis, s3, own, INODES);
    const ours = await service(own, server.url, s3);
    await makeWorld(redis, s3, other, INODES);
    const again = requests.map((one) => ({ ...one, path: one.path.replace('/recorded', `/${other}`) }));
    const order: BareOrder = { ...s3, redisUrl: server.url, requests: again, roundTrips, inFlight: IN_FLIGHT };
    const file = join(folder, `${other}.json`);
    writeFileSync(file, JSON.stringify(order));
    const bare = await timed([BARE, file]);
    const ratio = (of: (spent: Spent) => number): string => (of(ours) / of(bare)).toFixed(2);
    const waited = LONG.graceMs / 1000;
    console.log(
      `ours ${ours.seconds.toFixed(1)} s, of which ${waited} of grace, ${ours.cpuSeconds.toFixed(1)} s of CPU; bare ${bare.seconds.toFixed(1)} s, ${bare.cpuSeconds.toFixed(1)} s of CPU; ratio ${ratio(({ seconds }) => seconds)} by the clock, ${ratio(({ cpuSeconds }) => cpuSeconds)} by CPU`,
    );
  }
} finally {
  redis.disconnect();
  rmSync(folder, { recursive: true, force: true });
  await Promise.all([server.stop(), s3.stop()]);
}
