/**
 * What the service asks for: a proxy before S3 that writes down each request, so that it can be made again, one before
 * Redis that counts what clients send at a time, and Redis' own monitor, which tells commands by kind. All slow things down:
 * nothing is timed behind them.
 */
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { Redis } from 'ioredis';

/** A request to S3, without what signs it. */
export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of deletes, which name what they delete. */
  readonly body?: string;
  /** Of writes. */
  readonly bytes?: number;
  /** Bytes of the answer, once it has come. */
  received?: number;
}

export interface S3Recorder {
  readonly endpoint: string;
  readonly requests: readonly Recorded[];
  /** The most that were under way at one time. */
  readonly inFlightMost: () => number;
  close(): void;
}

export async function recordS3(endpoint: string): Promise<S3Recorder> {
  const { hostname, port } = new URL(endpoint);
  const requests: Recorded[] = [];
  let inFlight = 0;
  let inFlightMost = 0;
  const server = createServer(async (incoming, outgoing) => {
    inFlightMost = Math.max(inFlightMost, ++inFlight);
    outgoing.once('close', () => inFlight--);
    const pieces: Buffer[] = [];
    for await (const piece of incoming as AsyncIterable<Buffer>) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const { method = 'GET', url: path = '/', headers } = incoming;
    const kept = Object.entries(headers).filter(([name]) => ['range', 'content-md5', 'content-type'].includes(name));
    const one: Recorded = {
      method,
      path,
      headers: Object.fromEntries(kept.map(([name, value]) => [name, `${value}`])),
      ...(method === 'POST' ? { body: body.toString() } : {}),
      ...(method === 'PUT' ? { bytes: body.length } : {}),
    };
    requests.push(one);
    const onward = request({ hostname, port, method, path, headers }, (answer) => {
      one.received = Number(answer.headers['content-length'] ?? 0);
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    onward.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as AddressInfo;
  const counts = { requests, inFlightMost: () => inFlightMost };
  return { endpoint: `http://127.0.0.1:${own}`, ...counts, close: () => server.close() };
}

export interface RedisCounter {
  readonly url: string;
  /** Pieces that clients have sent: commands that go together count once. */
  readonly roundTrips: () => number;
  close(): void;
}

export async function countRedis(url: string): Promise<RedisCounter> {
  const { hostname, port } = new URL(url);
  let sent = 0;
  const server = createTcpServer((client) => {
    const redis = connect(Number(port), hostname);
    client.on('data', () => sent++);
    client.pipe(redis).pipe(client);
    for (const socket of [client, redis]) socket.on('error', () => [client, redis].map((one) => one.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as AddressInfo;
  return { url: `redis://127.0.0.1:${own}`, roundTrips: () => sent, close: () => server.close() };
}

export interface RedisMonitor {
  /** Commands of clients by kind; those inside scripts do not count. */
  readonly kinds: ReadonlyMap<string, number>;
  close(): void;
}

export async function monitorRedis(url: string): Promise<RedisMonitor> {
  const redis = new Redis(url);
  const monitor = await redis.monitor();
  redis.disconnect();
  const kinds = new Map<string, number>();
  monitor.on('monitor', (_time: string, args: readonly string[], source: string) => {
    if (source === 'lua') return;
    const kind = kindOf(args);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  });
  return { kinds, close: () => monitor.disconnect() };
}

/** The command, and its first keys or words without what is different for each file. */
function kindOf([command = '', ...args]: readonly string[]): string {
  const name = command.toLowerCase();
  const first = name === 'evalsha' ? [args[0]?.slice(0, 6), ...args.slice(2, 4)] : args.slice(0, 2);
  const words = name === 'eval' ? [/--.*|local \w+/.exec(args[0] ?? '')?.[0], args[2]] : first;
  return [name, ...words.map((word) => plain(word ?? ''))].join(' ').trim();
}

function plain(word: string): string {
  return word
    .replace(/[\da-f]{8}-[\da-f-]{27}/g, 'ID')
    .replace(/\d+/g, (digits, at: number) => (word.slice(0, at).endsWith(':') || at === 0 ? 'N' : digits))
    .slice(0, 60);
}
