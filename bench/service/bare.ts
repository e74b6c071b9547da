/**
 * The bare loop of the service bench, in a process of its own: the recorded requests to S3 in their order, as often as it
 * takes for all files, so many at a time, unsigned, and beside them as many round trips to Redis, each a PING. Its argument
 * is a file with the order.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { Pool } from 'undici';
import type { Recorded } from './record.ts';
import { PIECES } from './world.ts';

export interface BareOrder {
  readonly endpoint: string;
  readonly redisUrl: string;
  /** Of the first `files` files, in this bucket. */
  readonly requests: readonly Recorded[];
  readonly files: number;
  readonly bucket: string;
  /** How often: the next time for the next files. */
  readonly times: number;
  /** For all files. */
  readonly roundTrips: number;
  readonly inFlight: number;
}

const order = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as BareOrder;
const { files, requests, bucket } = order;
const pool = new Pool(order.endpoint, { connections: order.inFlight, pipelining: 1 });
const redis = new Redis(order.redisUrl);

/** Names of objects, with inode and id of the files that come so many later. */
function later(text: string, by: number): string {
  return text.replace(/\b1_(\d+)_(\d+)_/g, (_, inode, id) => `1_${Number(inode) + by}_${Number(id) + by * PIECES}_`);
}

async function ask(one: Recorded, by: number): Promise<void> {
  const path = later(one.path.replace(/^\/[^/?]+/, `/${bucket}`), by);
  const body = one.body === undefined ? undefined : later(one.body, by);
  const md5 = body === undefined ? {} : { 'content-md5': createHash('md5').update(body).digest('base64') };
  const answer = await pool.request({
    method: one.method as 'GET',
    path,
    headers: { ...one.headers, ...md5 },
    body: body ?? (one.bytes === undefined ? null : Buffer.alloc(one.bytes)),
  });
  await answer.body.dump();
  if (answer.statusCode >= 400 && answer.statusCode !== 404) {
    throw new Error(`${one.method} ${path}: ${answer.statusCode}`);
  }
}

const total = requests.length * order.times;
let next = 0;
let trips = 0;
async function lane(): Promise<void> {
  while (next < total) {
    const at = next++;
    // Round trips are spread over the requests.
    while (trips < (order.roundTrips * next) / total) {
      trips++;
      await redis.ping();
    }
    const one = requests[at % requests.length];
    if (one !== undefined) await ask(one, files * Math.floor(at / requests.length));
  }
}

await Promise.all(Array.from({ length: order.inFlight }, lane));
redis.disconnect();
await pool.close();
