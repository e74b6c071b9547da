/**
 * What the service asks for: a proxy before S3 that writes down each request, so that it can be made again, and one before
 * Redis that counts what clients send at a time. Both slow things down: nothing is timed behind them.
 */
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';

/** A request to S3, without what signs it. */
export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of deletes, which name what they delete. */
  readonly body?: string;
  /** Of writes. */
  readonly bytes?: number;
}

export interface S3Recorder {
  readonly endpoint: string;
  readonly requests: readonly Recorded[];
  close(): void;
}

export async function recordS3(endpoint: string): Promise<S3Recorder> {
  const { hostname, port } = new URL(endpoint);
  const requests: Recorded[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const pieces: Buffer[] = [];
    for await (const piece of incoming as AsyncIterable<Buffer>) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const { method = 'GET', url: path = '/', headers } = incoming;
    const kept = Object.entries(headers).filter(([name]) => ['range', 'content-md5', 'content-type'].includes(name));
    requests.push({
      ...{ method, path, headers: Object.fromEntries(kept.map(([name, value]) => [name, `${value}`])) },
      ...(method === 'POST' ? { body: body.toString() } : {}),
      ...(method === 'PUT' ? { bytes: body.length } : {}),
    });
    const onward = request({ hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    onward.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${own}`, requests, close: () => server.close() };
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
