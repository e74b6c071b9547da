/**
 * One run: so many reads and writes, some at a time, through the store as a worker has it (retries, places in flight, both
 * ways that requests go), or bare. It ends with the first call that is given up, as a run does. What a store refuses is the
 * server's business.
 */

import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import { CompactError } from '../../src/errors.ts';
import type { ObjectStore } from '../../src/objects/port.ts';
import { withRetries } from '../../src/objects/retrying-store.ts';
import { S3ObjectStores } from '../../src/objects/s3/stores.ts';
import { Pace } from '../../src/pace/pace.ts';
import { IdleClock } from './idle-clock.ts';
import { OBJECT_BYTES, type RefusingServer } from './server.ts';

export const WAYS = ['fast', 'sdk'] as const;
export type Way = (typeof WAYS)[number];

/** As many as a run reads at a time. */
const CALLS_AT_A_TIME = 16;
/** Three reads, one write: what merging small pieces asks for. */
const PUT_EVERY = 4;
const BODY = Buffer.alloc(OBJECT_BYTES, 1);
const BUCKET = 'goodput';

export interface RunFacts {
  readonly finished: boolean;
  /** Calls that ended well. */
  readonly useful: number;
  readonly requests: number;
  /** Waits, had they been waited for. */
  readonly waitedMs: number;
  /** Of the process, with the server's share: other work on the machine does not count. */
  readonly cpuMs: number;
  /** Why it was given up. */
  readonly error?: CompactError;
}

export interface RunOptions {
  readonly way: Way;
  readonly calls: number;
  /** For each call; absent: as in production. */
  readonly triesMax?: number;
}

export async function refusedRun(server: RefusingServer, { way, calls, triesMax }: RunOptions): Promise<RunFacts> {
  const clock = new IdleClock();
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
  const stores = new S3ObjectStores({ endpoint: server.endpoint, region: 'us-east-1', credentials, dataPath: way });
  const bucket = {
    fsId: 1,
    uuid: 'u',
    name: 'n',
    bucket: BUCKET,
    blockSize: 1,
    chunkSize: 1,
    objectPrefix: 0,
  } as const;
  const store = withRetries(stores.forFilesystem(bucket), {
    clock,
    pace: new Pace({ clock, bytesPerSecond: 0, requestsPerSecond: 0, inFlight: { floor: 2, ceiling: 32 } }),
    observer: { started: () => clock.began(), request: () => clock.ended() },
    ...(triesMax === undefined ? {} : { triesMax }),
  });
  const before = server.requests;
  const began = process.cpuUsage();
  const ending = await eachOf(calls, (n, signal) => oneCall(store, n, signal));
  const cpuMs = cpuMsSince(began);
  stores.close();
  return { ...ending, requests: server.requests - before, waitedMs: clock.leaptMs, cpuMs };
}

async function oneCall(store: ObjectStore, n: number, signal: AbortSignal): Promise<void> {
  if (n % PUT_EVERY !== 0) return store.getRange(`read-${n}`, n % 64, Buffer.alloc(1_024), signal);
  // As merging does: a name that is taken after a lost answer is looked at.
  if ((await store.putIfAbsent(`write-${n}`, BODY, signal)) === 'exists') await store.head(`write-${n}`, signal);
}

/** The same requests without anything around them. */
export async function bareRun(server: RefusingServer, calls: number): Promise<RunFacts> {
  const agent = new Agent({ keepAlive: true, maxSockets: CALLS_AT_A_TIME });
  const before = server.requests;
  const began = process.cpuUsage();
  const ending = await eachOf(calls, async (n) => {
    const isPut = n % PUT_EVERY === 0;
    const url = `${server.endpoint}/${BUCKET}/bare-${n}`;
    const headers = isPut ? { 'content-length': BODY.length } : { range: `bytes=0-1023` };
    const request = httpRequest(url, { agent, method: isPut ? 'PUT' : 'GET', headers });
    request.end(isPut ? BODY : undefined);
    const [response] = await once(request, 'response');
    response.resume();
    await once(response, 'end');
  });
  const cpuMs = cpuMsSince(began);
  agent.destroy();
  return { ...ending, requests: server.requests - before, waitedMs: 0, cpuMs };
}

function cpuMsSince(began: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1_000;
}

type Ending = Pick<RunFacts, 'finished' | 'useful' | 'error'>;

async function eachOf(calls: number, call: (n: number, signal: AbortSignal) => Promise<void>): Promise<Ending> {
  const ended = new AbortController();
  let next = 0;
  let useful = 0;
  let error: CompactError | undefined;
  const worker = async (): Promise<void> => {
    while (next < calls && error === undefined) {
      try {
        await call(next++, ended.signal);
        useful++;
      } catch (thrown) {
        if (!(thrown instanceof CompactError)) throw thrown;
        error ??= thrown;
        ended.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_A_TIME }, worker));
  return { finished: error === undefined, useful, ...(error === undefined ? {} : { error }) };
}
