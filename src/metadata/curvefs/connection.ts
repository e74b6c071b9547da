/**
 * One TCP connection that many calls share: requests go out as they come, replies come back in any order, each
 * with the correlation id of its own. It knows of every call whether its request was handed to the socket. It must not
 * reconnect or repeat anything: a connection that has failed is thrown away with all its calls.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { answerWithin } from '../../clock.ts';
import { toError } from '../../errors.ts';
import type { Address } from '../../urls/curvefs.ts';
import { RpcFault } from './faults.ts';
import { FrameReader, type Reply, requestFrame } from './frame.ts';
import type { MessageType, Method } from './proto/codec.ts';
import { MessageFault } from './proto/values.ts';

export function printAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** After so many time-outs in a row, without a byte from the peer between, it is taken for dead. */
const TIMEOUTS_MAX = 3;
const KEEP_ALIVE_MS = 30_000;

interface Pending {
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (fault: RpcFault) => void;
  readonly timer: NodeJS.Timeout;
  /** What had been heard when it was sent. */
  readonly heard: number;
}

export class Connection {
  readonly #socket: Socket;
  readonly #name: string;
  readonly #reader = new FrameReader();
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #timeouts = 0;
  /** Times that bytes came. */
  #heard = 0;
  #corked = false;
  #fault: RpcFault | undefined;

  private constructor(socket: Socket, name: string) {
    this.#socket = socket;
    this.#name = name;
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(closed(`the connection to ${name} failed (${error.message})`, error)));
    socket.on('close', () => this.#fail(closed(`the server at ${name} closed the connection`)));
  }

  /** Throws RpcFault `connect`. */
  static async open(address: Address, timeoutMs: number): Promise<Connection> {
    const name = printAddress(address);
    // Until the connection listens, and when it is given up.
    const socket = connect({ ...address }).on('error', () => undefined);
    try {
      await answerWithin(once(socket, 'connect'), timeoutMs);
    } catch (error) {
      socket.destroy();
      const what = `no connection to ${name}: ${messageOf(toError(error))}`;
      throw new RpcFault(what, { kind: 'connect', sent: false, cause: error });
    }
    return new Connection(socket, name);
  }

  get alive(): boolean {
    return this.#fault === undefined;
  }

  /** Sends a request and waits for its reply's payload. Throws RpcFault. */
  call(method: Method<MessageType, MessageType>, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#fault !== undefined) {
      return Promise.reject(new RpcFault(this.#fault.message, { kind: this.#fault.kind, sent: false }));
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#expire(id, method.name, timeoutMs), timeoutMs);
      this.#pending.set(id, { resolve, reject, timer, heard: this.#heard });
      this.#cork();
      this.#socket.write(requestFrame(method, id, payload));
    });
  }

  close(): void {
    this.#fail(closed(`the connection to ${this.#name} was closed here`));
  }

  /** What is written in one turn of the event loop goes out in one system call. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  #receive(chunk: Uint8Array): void {
    this.#heard++;
    this.#timeouts = 0;
    try {
      for (const reply of this.#reader.push(chunk)) this.#settle(reply);
    } catch (error) {
      if (!(error instanceof MessageFault)) throw error;
      this.#fail(new RpcFault(`the server at ${this.#name} ${error.message}`, { kind: 'protocol', sent: true }));
    }
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.correlationId);
    // A reply that comes after its time-out: nobody waits for it any more.
    if (pending === undefined) return;
    this.#pending.delete(reply.correlationId);
    clearTimeout(pending.timer);
    const { errorCode, errorText } = reply;
    if (errorCode === 0) {
      pending.resolve(reply.payload);
      return;
    }
    const what = `the server at ${this.#name} refused the call (${errorCode}: ${printable(errorText)})`;
    pending.reject(new RpcFault(what, { kind: 'refused', sent: true, errorCode }));
  }

  #expire(id: number, methodName: string, timeoutMs: number): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    const what = `the server at ${this.#name} did not answer ${methodName} within ${timeoutMs} ms`;
    pending?.reject(new RpcFault(what, { kind: 'timeout', sent: true }));
    // A long reply may be on its way, and others wait behind it.
    if (pending?.heard !== this.#heard) return;
    this.#timeouts++;
    if (this.#timeouts >= TIMEOUTS_MAX) this.#fail(closed(`the server at ${this.#name} has stopped answering`));
  }

  #fail(fault: RpcFault): void {
    if (this.#fault !== undefined) return;
    this.#fault = fault;
    this.#socket.destroy();
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new RpcFault(fault.message, { kind: fault.kind, sent: true, cause: fault.cause }));
    }
    this.#pending.clear();
  }
}

function closed(what: string, cause?: unknown): RpcFault {
  return new RpcFault(what, { kind: 'closed', sent: true, cause });
}

/** Several addresses of one name fail as one error without a text. */
function messageOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((one) => messageOf(one)).join('; ');
  return error.message;
}

/** A server's own words, short and without what moves a terminal. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, 200);
}
