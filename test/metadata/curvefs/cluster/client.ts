/**
 * A caller of the stand-in's servers over real sockets, with the stand-in's own frames: what the tests' CurveFS clients
 * send their requests with, and what the stand-in itself is tested by. It asks once and waits, it does not retry.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Frame, FrameCutter, printFrame } from './frames.ts';
import { METHODS, SCHEMA } from './schema.ts';
import { RpcFailure } from './server.ts';
import { decode, encode, type Message } from './wire.ts';

interface Waiting {
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
}

/** A reply may be larger than what servers take. */
const REPLY_BYTES_MAX = 256 * 1024 * 1024;

export class RpcCaller {
  readonly #socket: Socket;
  readonly #waiting = new Map<bigint, Waiting>();
  #next = 1n;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const cutter = new FrameCutter(REPLY_BYTES_MAX);
    socket.on('data', (part) => {
      for (const frame of cutter.push(part)) {
        const id = frame.meta.correlation_id ?? 0n;
        this.#waiting.get(id)?.resolve(frame);
        this.#waiting.delete(id);
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the connection was closed'));
      this.#waiting.clear();
    });
  }

  static async open(port: number): Promise<RpcCaller> {
    const socket = connect({ host: '127.0.0.1', port });
    await once(socket, 'connect');
    return new RpcCaller(socket);
  }

  /** Throws RpcFailure where the server answers with an error of brpc. */
  async call(method: string, request: Message): Promise<Message> {
    const types = METHODS.get(method);
    if (types === undefined) throw new RangeError(`no method ${method}`);
    const { meta, payload } = await this.raw(method, encode(SCHEMA, types.request, request));
    const { error_code = 0, error_text = '' } = meta.response ?? {};
    if (error_code !== 0) throw new RpcFailure(error_code, error_text);
    return decode(SCHEMA, types.response, payload);
  }

  raw(method: string, payload: Uint8Array): Promise<Frame> {
    const [service_name = '', method_name = ''] = method.split('/');
    const correlation_id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(correlation_id, { resolve, reject });
      this.#socket.write(printFrame({ request: { service_name, method_name }, correlation_id }, payload));
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
