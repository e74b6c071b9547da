/**
 * The waste report of a JuiceFS volume against bare Redis: pipelined reads of the same keys with nothing done to them, in
 * turns, the best of some rounds. `--memory` then does it once more in a process with a bounded heap, at a tenth of the
 * inodes and at all of them. `npm run bench:juicefs -- --inodes 1000000 [--rounds 3] [--memory]`. `--rival`: compaction against
 * the program's own (rival.ts).
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { JuicefsVolume } from '../../src/metadata/juicefs/volume.ts';
import { type WasteReport, wasteOf } from '../../src/waste/waste.ts';
import { encodeAttributes, encodeSlice, settingJson } from '../../test/kit/juicefs/encode.ts';
import { startRedis } from '../../test/kit/servers/redis.ts';
import { contest } from './rival.ts';

const BATCH = 2_000;
const LISTS = 500;
/** Inodes up to here are the root and what JuiceFS keeps. */
const FIRST = 2;
const HEAP = ['--max-semi-space-size=4', '--max-old-space-size=60'];

const { values } = parseArgs({
  options: {
    inodes: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    memory: { type: 'boolean', default: false },
    url: { type: 'string' },
    rival: { type: 'boolean', default: false },
    shape: { type: 'string' },
  },
});

/** Records of the one list of file `n`: 70 in 100 have one, 20 a few, 10 many. */
function recordsOf(n: number): number {
  const kind = (n * 7919) % 100;
  if (kind < 70) return 1;
  return kind < 90 ? 2 + (n % 9) : 21 + (n % 40);
}

async function fill(redis: Redis, inodes: number): Promise<void> {
  await redis.set('setting', settingJson('bench'));
  for (let from = 0; from < inodes; from += BATCH) {
    const batch = redis.pipeline();
    for (let n = from; n < Math.min(inodes, from + BATCH); n++) {
      const records = recordsOf(n);
      const size = Math.floor(2 ** 25 / records);
      batch.set(`i${n + FIRST}`, encodeAttributes({ length: size * records }));
      const slices = Array.from({ length: records }, (_, r) =>
        encodeSlice({ pos: r * size, id: n * 64 + r + 1, size, off: 0, len: size }),
      );
      batch.rpush(`c${n + FIRST}_0`, ...slices);
    }
    await batch.exec();
  }
}

/** What the report reads, and nothing else: SCAN, then attributes and lists of each page. */
async function bareReads(redis: Redis): Promise<void> {
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', '[ic]*', 'COUNT', 1000);
    const inodes = keys.filter((key) => key.startsWith('i'));
    if (inodes.length > 0) await redis.mgetBuffer(...inodes);
    for (let n = 0; n < inodes.length; n += LISTS) {
      const batch = redis.pipeline();
      for (const key of inodes.slice(n, n + LISTS)) batch.lrangeBuffer(`c${key.slice(1)}_0`, 0, 999);
      await batch.exec();
    }
    cursor = next;
  } while (cursor !== '0');
}

async function report(url: string): Promise<WasteReport> {
  const volume = new JuicefsVolume({ redis: new Redis(url), prefix: '', timeoutMs: 60_000 });
  try {
    return await wasteOf(volume, { geometry: await volume.setting(), top: 20, order: 'gets' });
  } finally {
    await volume.close();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** In a process of its own, so that nothing else is in its memory. */
function memoryOf(url: string, inodes: number): void {
  const args = [...HEAP, fileURLToPath(import.meta.url), '--url', url];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  console.log(`memory, ${inodes.toLocaleString('en-US')} inodes: ${stdout.trim()}`);
}

async function bench(inodes: number, rounds: number): Promise<void> {
  const server = await startRedis();
  const redis = new Redis(server.url);
  try {
    if (values.memory) {
      await fill(redis, inodes / 10);
      memoryOf(server.url, inodes / 10);
    }
    await redis.flushall();
    await fill(redis, inodes);
    if (values.memory) memoryOf(server.url, inodes);
    const [bare, ours]: [number[], number[]] = [[], []];
    for (let n = 0; n < rounds; n++) {
      bare.push(await timed(() => bareReads(redis)));
      ours.push(await timed(() => report(server.url)));
    }
    for (const [name, times] of [
      ['bare', bare],
      ['ours', ours],
    ] as const) {
      const rate = Math.round(inodes / (Math.min(...times) / 1000)).toLocaleString('en-US');
      console.log(`${name}: ${rate} inodes/s (${times.map((ms) => Math.round(ms)).join(', ')} ms)`);
    }
    console.log(`${(Math.min(...ours) / Math.min(...bare)).toFixed(2)} times the bare time`);
  } finally {
    redis.disconnect();
    await server.stop();
  }
}

if (values.rival) {
  const only = values.shape?.split(',').map(Number);
  await contest({ rounds: Number(values.rounds), only });
} else if (values.url === undefined) await bench(Number(values.inodes), Number(values.rounds));
else {
  const { live } = await report(values.url);
  const rss = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(
    `${live.files.toLocaleString('en-US')} files, ${live.records.toLocaleString('en-US')} records, ${rss} MiB at most`,
  );
}
