/**
 * Calls to the MDS that leads. The others do not listen at all, so the leader is the one that answers: go on to the next
 * address on a refused or lost connection, after two failures of another kind, or when one says that it is stopping
 * (what CurveFS's own client does). All calls made here only read, so a try may be repeated.
 */
import { type CompactError, toError } from '../../errors.ts';
import type { Address } from '../../urls/curvefs.ts';
import type { Channels, Deadline } from './channel.ts';
import { printAddress } from './connection.ts';
import { asFault, RPC_CODES, type RpcFault, refused, unavailable, wrongServer } from './faults.ts';
import type { InitOf, MessageOf, MessageType, Method } from './proto/codec.ts';

const TIMEOUT_FIRST_MS = 500;
const TIMEOUT_MAX_MS = 2_000;
/** Failures at one address, other than a lost connection, before the next one is tried. */
const FAILURES_MAX = 2;
/** After all addresses were tried in vain: an election takes seconds. */
const ROUND_PAUSE_MS = 100;

export class Mds {
  readonly #addresses: readonly Address[];
  readonly #channels: Channels;
  #current = 0;

  constructor(addresses: readonly Address[], channels: Channels) {
    this.#addresses = addresses;
    this.#channels = channels;
  }

  /** Throws `metadata-unavailable` (retry) when none answers in time, `metadata-refused` (halt) when none is an MDS. */
  async call<Request extends MessageType, Response extends MessageType>(
    method: Method<Request, Response>,
    request: InitOf<Request>,
    deadline: Deadline,
  ): Promise<MessageOf<Response>> {
    const faults = new Map<string, RpcFault>();
    let timeoutMs = TIMEOUT_FIRST_MS;
    let failures = 0;
    for (let tries = 0; !deadline.over; ) {
      const address = this.#address();
      try {
        return await this.#channels.call(address, { method, request }, Math.min(timeoutMs, deadline.leftMs()));
      } catch (error) {
        const fault = asFault(error);
        faults.set(printAddress(address), fault);
        if (fault.kind === 'busy') break;
        if (fault.kind === 'timeout') timeoutMs = Math.min(TIMEOUT_MAX_MS, timeoutMs * 2);
        failures++;
        if (!leavesAtOnce(fault) && failures < FAILURES_MAX) continue;
        failures = 0;
        this.#leave(address);
        tries++;
        if (tries % this.#addresses.length !== 0) continue;
        if (this.#noneIsMds(faults)) throw this.#failed(method.name, faults);
        await deadline.pause(ROUND_PAUSE_MS);
      }
    }
    throw this.#failed(method.name, faults);
  }

  #address(): Address {
    const address = this.#addresses[this.#current % this.#addresses.length];
    if (address === undefined) throw new RangeError('a cluster needs the address of an MDS');
    return address;
  }

  /** Unless another call has gone on already. */
  #leave(address: Address): void {
    if (this.#address() === address) this.#current = (this.#current + 1) % this.#addresses.length;
  }

  #noneIsMds(faults: ReadonlyMap<string, RpcFault>): boolean {
    return faults.size === this.#addresses.length && [...faults.values()].every(wrongServer);
  }

  #failed(what: string, faults: ReadonlyMap<string, RpcFault>): CompactError {
    const reasons = [...faults.values()].map((fault) => fault.message).join('; ');
    const message = `no MDS answered ${what}: ${reasons === '' ? 'no time was left' : reasons}; check METADATA_URL and the MDS`;
    const cause = toError([...faults.values()].at(-1) ?? message);
    return this.#noneIsMds(faults) ? refused(message, cause) : unavailable(message, cause);
  }
}

function leavesAtOnce(fault: RpcFault): boolean {
  if (fault.kind === 'refused') return fault.errorCode === RPC_CODES.loggingOff || wrongServer(fault);
  return fault.kind === 'connect' || fault.kind === 'closed' || fault.kind === 'protocol';
}
