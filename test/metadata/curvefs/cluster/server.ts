/**
 * A brpc server as the stand-in's MDS and metaservers are: one TCP port, requests of many callers on one connection,
 * replies in any order, and the faults that a test asks for, call by call. It knows frames and methods; what a method does
 * is reported by its owner.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Faults, Strike } from './faults.ts';
import { type Frame, FrameCutter, printFrame } from './frames.ts';
import { METHODS, SCHEMA } from './schema.ts';
import { decode, encode, type Message, WireError } from './wire.ts';

/** brpc's and Linux's numbers that the servers answer with. */
export const ENOENT = 2;
export const EAGAIN = 11;
export const ENOMETHOD = 1002;
export const EREQUEST = 1003;
export const EOVERCROWDED = 1011;
export const ERESPONSE = 2002;

export class RpcFailure extends Error {
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

/** `service/method` → what it does; the answer by the names of the schema. Throws RpcFailure for a failed call. */
export type Methods = ReadonlyMap<string, (request: Message) => Message>;

export interface BrpcServerOptions {
  /** Shown in faults and traces. */
  readonly name: string;
  readonly methods: Methods;
  readonly faults: Faults;
  /** Called for what no client may send. */
  readonly violation: (what: string) => void;
}

export class BrpcServer {
  readonly #options: BrpcServerOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  /** Reads what comes and answers nothing, as a process that is stopped does. */
  frozen = false;
  /** `service/method` → how often it was asked for. */
  readonly calls = new Map<string, number>();

  constructor(options: BrpcServerOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Listens; again on the same port after `stop`. */
  async listen(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.#port = address.port;
    this.#server = server;
  }

  /** As SIGKILL: every connection is cut, the port refuses. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server === undefined) return;
    server.close();
    await once(server, 'close');
  }

  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: Socket): void {
    const cutter = new FrameCutter();
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (part) => {
      try {
        for (const frame of cutter.push(part)) void this.#answer(socket, frame);
      } catch {
        socket.destroy();
      }
    });
  }

  async #answer(socket: Socket, { meta, payload }: Frame): Promise<void> {
    const { request, correlation_id = 0n } = meta;
    if (request === undefined) return;
    if (meta.stream_settings !== undefined) this.#options.violation('a stream was asked for');
    const method = `${request.service_name}/${request.method_name}`;
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    if (this.frozen) return;
    const reply = (code: number, bytes: Buffer | string): void => {
      if (socket.destroyed) return;
      const failed = code !== 0;
      const response = failed ? { error_code: code, error_text: `[E${code}]${bytes}` } : { error_code: 0 };
      const body = failed || typeof bytes === 'string' ? Buffer.alloc(0) : bytes;
      socket.write(printFrame({ response, compress_type: 0, correlation_id }, body));
    };
    try {
      await this.#perform({ socket, method, reply }, payload);
    } catch (error) {
      if (error instanceof RpcFailure) return reply(error.code, error.message);
      if (error instanceof WireError) return reply(EREQUEST, `Fail to parse request message: ${error.message}`);
      this.#options.violation(`${method}: ${String(error)}`);
      // What has no answer here would have ended the server's process.
      socket.destroy();
    }
  }

  async #perform({ socket, method, reply }: Call, payload: Buffer): Promise<void> {
    const types = METHODS.get(method);
    const handler = this.#options.methods.get(method);
    if (types === undefined || handler === undefined) throw new RpcFailure(ENOMETHOD, `Fail to find method=${method}`);
    const request = decode(SCHEMA, types.request, payload);
    const strike: Strike | undefined = this.#options.faults.strike({ server: this.#options.name, method, request });
    if (strike?.before !== undefined) await strike.before;
    if (strike?.instead === 'cut') return void socket.destroy();
    if (strike?.instead === 'silence') return;
    if (strike?.instead !== undefined) return answerWith(strike.instead, types.response, reply);
    const response = handler(request);
    if (strike?.after !== undefined) await strike.after;
    if (strike?.reply === 'cut') return void socket.destroy();
    if (strike?.reply === 'silence') return;
    if (strike?.reply !== undefined) return answerWith(strike.reply, types.response, reply);
    const shown = strike?.change === undefined ? response : strike.change(response);
    reply(0, encodeAnswer(types.response, shown, strike?.change !== undefined));
  }
}

interface Call {
  readonly socket: Socket;
  readonly method: string;
  readonly reply: (code: number, bytes: Buffer | string) => void;
}

/** A failed answer of the service, or of brpc. */
function answerWith(
  answer: { readonly status: number } | { readonly error: number },
  type: string,
  reply: Call['reply'],
): void {
  if ('error' in answer) reply(answer.error, 'injected');
  else reply(0, encodeAnswer(type, { statusCode: answer.status }, false));
}

/** A reply without a required field fails at the server itself, unless a test wants it to get out. */
function encodeAnswer(type: string, message: Message, broken: boolean): Buffer {
  try {
    return encode(SCHEMA, type, message, !broken);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new RpcFailure(ERESPONSE, `Missing required fields in response: ${error.message}`);
  }
}
