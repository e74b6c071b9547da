/**
 * An S3 server on loopback that serves a share of the requests and refuses the rest in the ways that people meet: 503
 * SlowDown, a gateway's page in HTML, a connection that is cut before the answer, in the middle of it, or after a write that
 * was kept. The choice is seeded. It must judge nothing: it counts what it was asked.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

export const OBJECT_BYTES = 4_096;
const CONTENT = Buffer.alloc(OBJECT_BYTES, 'every object is made of the same bytes; ');
const HTML = '<!DOCTYPE html><html><head><title>503</title></head><body>Service Unavailable<br>nginx</body></html>';
const SLOW_DOWN =
  '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>';

export interface RefusingServer {
  readonly endpoint: string;
  /** Requests that came, refused ones included. */
  readonly requests: number;
  /** From now on, refuses this share of the requests, in [0, 1]. */
  refuse(share: number): void;
  close(): Promise<void>;
}

export async function startRefusingServer(seed: number): Promise<RefusingServer> {
  const random = xoroshiro128plus(seed);
  const kept = new Set<string>();
  let share = 0;
  let requests = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.on('error', () => undefined);
    request.on('end', () => {
      requests++;
      if (uniformFloat64(random) >= share) serve(request, response, kept);
      else refuse(uniformFloat64(random), { request, response, kept });
    });
  });
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    refuse: (wanted) => {
      share = wanted;
      kept.clear();
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function serve(request: IncomingMessage, response: ServerResponse, kept: Set<string>): void {
  const name = request.url ?? '';
  if (request.method === 'GET') response.end(beginRange(request, response));
  else if (request.method === 'HEAD') response.writeHead(200, { etag: '"kept"', 'content-length': OBJECT_BYTES }).end();
  else if (kept.has(name)) send(response, 412, '<Error><Code>PreconditionFailed</Code></Error>');
  else {
    kept.add(name);
    response.writeHead(200, { etag: '"kept"' }).end();
  }
}

/** The head of the answer to a range; returns its body. */
function beginRange({ headers }: IncomingMessage, response: ServerResponse): Buffer {
  const [, from = '0', to = '0'] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
  const body = CONTENT.subarray(Number(from), Number(to) + 1);
  const range = `bytes ${from}-${to}/${OBJECT_BYTES}`;
  response.writeHead(206, { etag: '"kept"', 'content-range': range, 'content-length': body.length });
  return body;
}

interface Refused {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly kept: Set<string>;
}

/** Half are SlowDown, a quarter pages, a quarter cut. */
function refuse(kind: number, { request, response, kept }: Refused): void {
  if (kind < 0.5) send(response, 503, SLOW_DOWN);
  else if (kind < 0.75) send(response, 503, HTML, 'text/html');
  else {
    // Half of the cut ones: a write is kept and its answer is lost; a read breaks off.
    if (kind < 0.875 && request.method === 'PUT') kept.add(request.url ?? '');
    if (kind < 0.875 && request.method === 'GET') response.write(beginRange(request, response).subarray(0, 100));
    setImmediate(() => response.socket?.destroy());
  }
}

function send(response: ServerResponse, status: number, text: string, type = 'application/xml'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': text.length }).end(text);
}
