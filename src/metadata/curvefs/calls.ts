/**
 * What the clients of MDS and metaservers share: one channel per address, the time a whole call may take, and pauses
 * between tries. Apart from both so that a cluster has one connection per server, whoever talks to it. No retries here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../../urls/curvefs.ts';
import { Channel } from './channel.ts';
import { printAddress } from './connection.ts';
import type { InitOf, MessageOf, MessageType, Method } from './proto/codec.ts';

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
