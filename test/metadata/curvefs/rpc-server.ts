/**
 * A server of raw bytes for tests of the client: what it answers is up to the test, frames are made by hand. It shares
 * no code with what it tests. Every socket and the listener are gone after `close`.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../../../src/urls/curvefs.ts';

export class RawServer {
  readonly #server: Server;
  readonly sockets = new Set<Socket>();
  connections = 0;

  private constructor(onSocket: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
      onSocket(socket);
    });
  }

  static async start(onSocket: (socket: Socket) => void, port = 0): Promise<RawServer> {
    const server = new RawServer(onSocket);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(port, '127.0.0.1', resolve);
    });
    return server;
  }

  get address(): Address {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return { host: '127.0.0.1', port: address.port };
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A request as it arrived; `meta` is not decoded but for the correlation id, which is its last field. */
export interface RawRequest {
  readonly correlationId: bigint;
  readonly meta: Buffer;
  readonly payload: Buffer;
}

/** Calls `onRequest` for every whole request frame. */
export function onRequests(socket: Socket, onRequest: (request: RawRequest) => void): void {
  let data = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    data = Buffer.concat([data, chunk]);
    while (data.length >= 12 && data.length >= 12 + data.readUInt32BE(4)) {
      const metaEnd = 12 + data.readUInt32BE(8);
      const end = 12 + data.readUInt32BE(4);
      const meta = data.subarray(12, metaEnd);
      onRequest({ meta, payload: data.subarray(metaEnd, end), correlationId: lastVarint(meta) });
      data = data.subarray(end);
    }
  });
}

function lastVarint(meta: Buffer): bigint {
  let begin = meta.length - 1;
  while (begin > 0 && ((meta[begin - 1] ?? 0) & 0x80) !== 0) begin--;
  let value = 0n;
  for (let at = meta.length - 1; at >= begin; at--) value = (value << 7n) | BigInt((meta[at] ?? 0) & 0x7f);
  return value;
}

export function varint(value: bigint): Buffer {
  const out: number[] = [];
  for (let left = value; ; left >>= 7n) {
    if (left < 128n) return Buffer.from([...out, Number(left)]);
    out.push(Number(left & 0x7fn) | 0x80);
  }
}

export interface RawReply {
  readonly payload?: Uint8Array;
  readonly errorCode?: number;
  readonly errorText?: string;
}

export function replyFrame(correlationId: bigint, { payload, errorCode, errorText }: RawReply): Buffer {
  const text = Buffer.from(errorText ?? '');
  const response = Buffer.concat([
    Buffer.from([0x08]),
    varint(BigInt(errorCode ?? 0)),
    ...(text.length === 0 ? [] : [Buffer.from([0x12]), varint(BigInt(text.length)), text]),
  ]);
  const meta = Buffer.concat([
    Buffer.from([0x12]),
    varint(BigInt(response.length)),
    response,
    Buffer.from([0x20]),
    varint(correlationId),
  ]);
  return frame(meta, payload ?? Buffer.alloc(0));
}

export function frame(meta: Uint8Array, payload: Uint8Array): Buffer {
  const header = Buffer.from('PRPC\0\0\0\0\0\0\0\0', 'latin1');
  header.writeUInt32BE(meta.length + payload.length, 4);
  header.writeUInt32BE(meta.length, 8);
  return Buffer.concat([header, meta, payload]);
}
