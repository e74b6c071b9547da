/**
 * The way to each server, one for whoever talks to it: a connection that is made when it is needed and made again when it is
 * gone, and a bound on what is under way on it: calls and bytes. What comes on top waits its turn, and its time-out runs
 * meanwhile. It repeats nothing: whether a call may be made again is for the caller to say, by RpcFault.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../../urls/curvefs.ts';
import { Connection, printAddress } from './connection.ts';
import { RpcFault } from './faults.ts';
import { REQUEST_BYTES_MAX } from './frame.ts';
import type { InitOf, MessageOf, MessageType, Method } from './proto/codec.ts';
import { MessageFault } from './proto/values.ts';

interface ChannelLimits {
  /** Calls on the wire at a time. */
  readonly callsMax: number;
  /** Bytes of requests on the wire at a time; a single larger request goes alone. */
  readonly bytesMax: number;
  /** Calls that wait for their turn. */
  readonly waitingMax: number;
}

/** Servers refuse more than some thousand; our own memory is what bounds it: replies may have megabytes. */
const CHANNEL_LIMITS: ChannelLimits = { callsMax: 64, bytesMax: REQUEST_BYTES_MAX, waitingMax: 10_000 };
/** Room for the meta data of a frame. */
const META_BYTES = 1024;

interface Waiting {
  readonly bytes: number;
  readonly start: () => void;
}

export class Channel {
  readonly #address: Address;
  readonly #limits: ChannelLimits;
  #opening: Promise<Connection> | undefined;
  #connection: Connection | undefined;
  #calls = 0;
  #bytes = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(address: Address, limits: ChannelLimits = CHANNEL_LIMITS) {
    this.#address = address;
    this.#limits = limits;
  }

  get name(): string {
    return printAddress(this.#address);
  }

  /** One call, ended within the time-out whatever happens. Throws RpcFault. */
  async call<Request extends MessageType, Response extends MessageType>(
    method: Method<Request, Response>,
    request: InitOf<Request>,
    timeoutMs: number,
  ): Promise<MessageOf<Response>> {
    const endMs = performance.now() + timeoutMs;
    const payload = method.request.encode(request as never);
    if (payload.length > REQUEST_BYTES_MAX - META_BYTES) {
      const what = `${method.name} would send ${payload.length} bytes, more than servers take (${REQUEST_BYTES_MAX})`;
      throw new RpcFault(what, { kind: 'too-large', sent: false });
    }
    // Mostly there is room and a connection, and nothing to wait for.
    if (this.#waiting.size === 0 && this.#fits(payload.length)) this.#take(payload.length);
    else await this.#turn(payload.length, timeoutMs);
    try {
      const open = this.#connection?.alive === true ? this.#connection : undefined;
      const connection = open ?? (await this.#connected(this.#left(endMs)));
      const reply = await connection.call(method, payload, this.#left(endMs));
      return this.#decode(method, reply);
    } finally {
      this.#done(payload.length);
    }
  }

  close(): void {
    this.#connection?.close();
    // One that is being made is closed when it stands.
    this.#opening?.then((connection) => connection.close()).catch(() => undefined);
  }

  #left(endMs: number): number {
    return Math.max(1, Math.ceil(endMs - performance.now()));
  }

  #decode<Response extends MessageType>(method: Method<MessageType, Response>, reply: Uint8Array): MessageOf<Response> {
    try {
      return method.response.decode(reply) as MessageOf<Response>;
    } catch (error) {
      if (!(error instanceof MessageFault)) throw error;
      const what = `the reply of the server at ${this.name} to ${method.name} cannot be read: ${error.message}`;
      throw new RpcFault(what, { kind: 'protocol', sent: true });
    }
  }

  /** One connection at a time, whoever asks for it first. */
  async #connected(timeoutMs: number): Promise<Connection> {
    this.#opening ??= Connection.open(this.#address, timeoutMs).finally(() => {
      this.#opening = undefined;
    });
    this.#connection = await this.#opening;
    return this.#connection;
  }

  #turn(bytes: number, timeoutMs: number): Promise<void> {
    if (this.#waiting.size >= this.#limits.waitingMax) {
      const what = `${this.#limits.waitingMax} calls to ${this.name} wait for their turn already`;
      return Promise.reject(new RpcFault(what, { kind: 'busy', sent: false }));
    }
    return new Promise((resolve, reject) => {
      const expire = (): void => {
        this.#waiting.delete(waiting);
        const what = `no turn for a call to ${this.name} within ${timeoutMs} ms`;
        reject(new RpcFault(what, { kind: 'busy', sent: false }));
      };
      const timer = setTimeout(expire, timeoutMs);
      const start = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const waiting: Waiting = { bytes, start };
      this.#waiting.add(waiting);
    });
  }

  #fits(bytes: number): boolean {
    const { callsMax, bytesMax } = this.#limits;
    return this.#calls === 0 || (this.#calls < callsMax && this.#bytes + bytes <= bytesMax);
  }

  #take(bytes: number): void {
    this.#calls++;
    this.#bytes += bytes;
  }

  #done(bytes: number): void {
    this.#calls--;
    this.#bytes -= bytes;
    for (const waiting of this.#waiting) {
      if (!this.#fits(waiting.bytes)) return;
      this.#waiting.delete(waiting);
      this.#take(waiting.bytes);
      waiting.start();
    }
  }
}

/** When a whole call must have ended, tries and pauses included; monotonic ms. */
export class Deadline {
  readonly #endMs: number;
  readonly totalMs: number;

  constructor(totalMs: number) {
    this.totalMs = totalMs;
    this.#endMs = performance.now() + totalMs;
  }

  leftMs(): number {
    return this.#endMs - performance.now();
  }

  get over(): boolean {
    return this.leftMs() <= 0;
  }

  /** A pause, ten per cent more or less, that ends with the deadline at the latest. */
  async pause(ms: number): Promise<void> {
    const jittered = ms * (0.9 + Math.random() * 0.2);
    await sleep(Math.max(0, Math.min(jittered, this.leftMs())));
  }
}

/** Servers of a cluster by address. A cluster has tens of them; the oldest go when there are absurdly many. */
const CHANNELS_MAX = 1024;

export class Channels {
  readonly #channels = new Map<string, Channel>();
  #closed = false;

  /** One try of one call at one server. Throws RpcFault. */
  call<Request extends MessageType, Response extends MessageType>(
    address: Address,
    call: { readonly method: Method<Request, Response>; readonly request: InitOf<Request> },
    timeoutMs: number,
  ): Promise<MessageOf<Response>> {
    return this.#channel(address).call(call.method, call.request, timeoutMs);
  }

  close(): void {
    this.#closed = true;
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #channel(address: Address): Channel {
    const name = printAddress(address);
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    if (this.#closed) throw new Error('the metadata client was closed');
    const [oldest] = this.#channels.keys();
    if (oldest !== undefined && this.#channels.size >= CHANNELS_MAX) {
      this.#channels.get(oldest)?.close();
      this.#channels.delete(oldest);
    }
    const channel = new Channel(address);
    this.#channels.set(name, channel);
    return channel;
  }
}
