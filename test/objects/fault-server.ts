/**
 * An HTTP server on loopback that answers S3 requests as a test dictates: error answers, broken bodies, silence.
 * It stands alone so that each test reads as one script of answers. It knows no S3 but how an error looks, and it keeps
 * what was asked, so that tests can look at headers and counts.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Answers one request; `index` counts from 0 over the life of the server. */
export type Answer = (request: SeenRequest, response: ServerResponse, index: number) => void;

export interface FaultServer {
  readonly endpoint: string;
  readonly seen: readonly SeenRequest[];
  /** What it answers from now on. */
  answer(answer: Answer): void;
  /** Connections open now. */
  openSockets(): number;
  close(): Promise<void>;
}

/** Starts on a free port; until told otherwise it answers 500. */
export async function startFaultServer(): Promise<FaultServer> {
  let current: Answer = (_request, response) => sendError(response, 500, 'InternalError');
  const seen: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('error', () => {});
    message.on('end', () => {
      const { method = '', url = '', headers } = message;
      const request = { method, url, headers, body: Buffer.concat(chunks) };
      seen.push(request);
      current(request, response, seen.length - 1);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    seen,
    answer: (answer) => {
      current = answer;
    },
    openSockets: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** An S3 error document; HEAD answers have none. */
export function sendError(response: ServerResponse, status: number, code: string): void {
  const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>told by the test</Message></Error>`;
  response
    .writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(text) })
    .end(text);
}

/** A right answer to a PUT. */
export function sendStored(response: ServerResponse): void {
  response.writeHead(200, { etag: '"stored"' }).end();
}

/** A right answer to a batch of deletes: every name that was asked for, but with errors for some. */
export function sendDeleted(request: SeenRequest, response: ServerResponse, errors: Record<string, string> = {}): void {
  const keys = [...request.body.toString().matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key);
  const entries = keys.map((key) =>
    errors[key] === undefined
      ? `<Deleted><Key>${key}</Key></Deleted>`
      : `<Error><Key>${key}</Key><Code>${errors[key]}</Code></Error>`,
  );
  response
    .writeHead(200, { 'content-type': 'application/xml' })
    .end(`<DeleteResult>${entries.join('')}</DeleteResult>`);
}

/** A right answer to a ranged GET of `content`. */
export function sendRange(request: SeenRequest, response: ServerResponse, content: Uint8Array): void {
  const [begin, end] = askedRange(request);
  response
    .writeHead(206, { 'content-range': `bytes ${begin}-${end}/${content.length}`, 'content-length': end - begin + 1 })
    .end(content.subarray(begin, end + 1));
}

/** First and last offset of the Range header. */
export function askedRange(request: SeenRequest): readonly [number, number] {
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (match === null) throw new Error(`no plain range was asked: ${request.headers.range}`);
  return [Number(match[1]), Number(match[2])];
}
