/**
 * `npm run bench:service [-- --inodes N,N --processes N,N --recorded N --kinds]`: one number for the whole service.
 * `s3compact run` over a file system of fragmented files, from the scan to the last delete, on a Redis and a radosgw of its
 * own, against a bare loop that makes the same requests to S3 and as many round trips to Redis: ratios of time and of
 * processor time, and requests for each chunk. The requests of the first files are recorded; those of the others are alike.
 * The bare loop has as many under way at a time as the service had at most.
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
import { countRedis, monitorRedis, recordS3 } from './record.ts';
import { FS_ID, makeWorld, PIECES } from './world.ts';

const { values } = parseArgs({
  options: {
    inodes: { type: 'string', default: '200' },
    processes: { type: 'string', default: '1' },
    recorded: { type: 'string', default: '200' },
    kinds: { type: 'boolean', default: false },
  },
});
const numbers = (text: string): readonly number[] => text.split(',').map(Number);
const RECORDED = Number(values.recorded);
/** Kinds of which there are fewer for each chunk are not shown. */
const SHOWN_MIN = 0.02;
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

/** Its grace left out of the time. */
async function service(
  bucket: string,
  servers: { redisUrl: string; s3: S3Service; processes: number },
): Promise<Spent> {
  const { redisUrl, s3, processes } = servers;
  const place = { redisUrl, s3, bucket, metadataPrefix: bucket, queuePrefix: `{q-${bucket}}` };
  const more = { S3COMPACT_CONCURRENCY: '8', S3COMPACT_LOG_LEVEL: 'error', S3COMPACT_FRAGMENT_THRESHOLD: '4' };
  const env = { ...soakEnv(place, LONG), ...more, S3COMPACT_PROCESSES: `${processes}` };
  const spent = await timed([COMMAND, 'run', `${FS_ID}`], env);
  return { ...spent, seconds: spent.seconds - LONG.graceMs / 1000 };
}

function counted(names: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function listed(counts: ReadonlyMap<string, number>, between: string): string {
  const most = [...counts].filter(([, calls]) => calls / RECORDED >= SHOWN_MIN).toSorted((a, b) => b[1] - a[1]);
  return most.map(([name, calls]) => `${(calls / RECORDED).toFixed(2)} ${name}`).join(between);
}

const [server, s3] = await Promise.all([startRedis({ prefer: 'real' }), startS3({ prefer: 'real' })]);
const redis = new Redis(server.url);
const folder = mkdtempSync(join(tmpdir(), 's3compact-bench-'));

/** What a run over so many files asks for. */
async function record(): Promise<Pick<BareOrder, 'requests' | 'roundTrips' | 'inFlight'>> {
  await makeWorld(redis, s3, 'recorded', RECORDED);
  const monitor = values.kinds ? await monitorRedis(server.url) : undefined;
  const [s3Proxy, redisProxy] = await Promise.all([recordS3(s3.endpoint), countRedis(server.url)]);
  const place = { redisUrl: redisProxy.url, s3: { ...s3, endpoint: s3Proxy.endpoint }, processes: 1 };
  await service('recorded', place);
  const { requests } = s3Proxy;
  const inFlight = s3Proxy.inFlightMost();
  const roundTrips = redisProxy.roundTrips() / RECORDED;
  for (const one of [s3Proxy, redisProxy, monitor]) one?.close();
  const kinds = counted(requests.map(({ method, path }) => `${method}${/\?[a-z-]+/.exec(path)?.[0] ?? ''}`));
  console.log(`requests to S3 for each chunk: ${(requests.length / RECORDED).toFixed(2)} (${listed(kinds, ', ')})`);
  console.log(`requests to S3 under way at a time: at most ${inFlight}`);
  console.log(`round trips to Redis for each chunk: ${roundTrips.toFixed(2)}`);
  if (monitor !== undefined) console.log(`commands in Redis for each chunk:\n ${listed(monitor.kinds, '\n ')}`);
  // What is asked once for each process, about the bucket, is not asked again for each repetition.
  return { requests: requests.filter(({ path }) => !path.includes('s3compact-')), roundTrips, inFlight };
}

try {
  console.log(`files of ${PIECES} pieces; ${server.kind} ${server.version}, ${s3.kind} ${s3.version}`);
  const recorded = await record();
  for (const inodes of numbers(values.inodes)) {
    const bucket = `bare${inodes}`;
    const startedMs = performance.now();
    await makeWorld(redis, s3, bucket, inodes);
    const filled = ((performance.now() - startedMs) / 1000).toFixed(0);
    const again = { files: RECORDED, bucket, times: inodes / RECORDED, roundTrips: recorded.roundTrips * inodes };
    const order: BareOrder = { endpoint: s3.endpoint, redisUrl: server.url, ...recorded, ...again };
    const file = join(folder, 'order.json');
    writeFileSync(file, JSON.stringify(order));
    const bare = await timed([BARE, file]);
    const text = ({ seconds, cpuSeconds }: Spent) => `${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU`;
    console.log(`${inodes} files, filled in ${filled} s: bare ${text(bare)}`);
    for (const processes of numbers(values.processes)) {
      const own = `ours${inodes}-${processes}`;
      await makeWorld(redis, s3, own, inodes);
      const ours = await service(own, { redisUrl: server.url, s3, processes });
      const ratio = (of: (spent: Spent) => number): string => (of(ours) / of(bare)).toFixed(2);
      const times = `${ratio(({ seconds }) => seconds)} by the clock, ${ratio(({ cpuSeconds }) => cpuSeconds)} by CPU`;
      console.log(`${inodes} files, ${processes} processes: ours ${text(ours)}; times bare: ${times}`);
    }
  }
} finally {
  redis.disconnect();
  rmSync(folder, { recursive: true, force: true });
  await Promise.all([server.stop(), s3.stop()]);
}
