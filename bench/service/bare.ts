/**
 * The bare loop of the service bench, in a process of its own: the recorded requests to S3 in their order, so many at a
 * time, unsigned, and beside them as many round trips to Redis, each a PING. Its argument is a file with the order.
 */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { Pool } from 'undici';
import type { Recorded } from './record.ts';

export interface BareOrder {
  readonly endpoint: string;
  readonly redisUrl: string;
  readonly requests: readonly Recorded[];
  readonly roundTrips: number;
  readonly inFlight: number;
}

const order = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as BareOrder;
const pool = new Pool(order.endpoint, { connections: order.inFlight, pipelining: 1 });
const redis = new Redis(order.redisUrl);

async function ask({ method, path, headers, body, bytes }: Recorded): Promise<void> {
  const sent = body ?? (bytes === undefined ? null : Buffer.alloc(bytes));
  const answer = await pool.request({ method: method as 'GET', path, headers: { ...headers }, body: sent });
  await answer.body.dump();
  if (answer.statusCode >= 400 && answer.statusCode !== 404) throw new Error(`${method} ${path}: ${answer.statusCode}`);
}

let next = 0;
let trips = 0;
async function lane(): Promise<void> {
  for (let one = order.requests[next++]; one !== undefined; one = order.requests[next++]) {
    // Round trips are spread over the requests.
    while (trips < (order.roundTrips * next) / order.requests.length) {
      trips++;
      await redis.ping();
    }
    await ask(one);
  }
}

await Promise.all(Array.from({ length: order.inFlight }, lane));
redis.disconnect();
await pool.close();
