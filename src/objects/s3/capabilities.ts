/**
 * What was learned of one store: which forms of requests it takes, and what is done without those that it refuses.
 * A form counts as refused only when the request has succeeded without it and no request has succeeded with it before, so
 * that neither an outage nor a request that is wrong by itself nor a proxy's passing 400 teaches anything. Kept for the life of a client; each thing that is missing is said once.
 */
import type { StoreCapabilities, StoreCapability } from '../port.ts';

/** What is done without, and what that costs. */
export const WITHOUT: Readonly<Record<StoreCapability, string>> = {
  conditionalPut:
    'does not know If-None-Match; objects are written without it (their names are unique all the same, but what another program had put under such a name would be overwritten)',
  checksumHeaders:
    'refuses x-amz-checksum headers; bodies are signed with their SHA-256 in their place, which costs CPU time, and batch deletes carry Content-MD5',
  unsignedPayload:
    'refuses UNSIGNED-PAYLOAD; bodies are signed with their SHA-256, which costs CPU time for each byte written',
  multiDelete: 'does not know DeleteObjects; objects are deleted one by one, a request for each',
  responseChecksums: 'refuses x-amz-checksum-mode; whole objects that are read are not compared with its checksums',
};

const UNTRIED: StoreCapabilities = {
  conditionalPut: 'untried',
  checksumHeaders: 'untried',
  unsignedPayload: 'untried',
  multiDelete: 'untried',
  responseChecksums: 'untried',
};

export class KnownCapabilities {
  readonly #where: string;
  readonly #log: ((message: string) => void) | undefined;
  readonly #known: Partial<Record<StoreCapability, 'accepted' | 'refused'>> = {};

  constructor(where: string, log: ((message: string) => void) | undefined) {
    this.#where = where;
    this.#log = log;
  }

  all(): StoreCapabilities {
    return { ...UNTRIED, ...this.#known };
  }

  /** Whether the store is not known to refuse it. */
  has(capability: StoreCapability): boolean {
    return this.#known[capability] !== 'refused';
  }

  /** Whether a request with it has succeeded. */
  isAccepted(capability: StoreCapability): boolean {
    return this.#known[capability] === 'accepted';
  }

  /** A request with it has succeeded. */
  accepts(capability: StoreCapability): void {
    this.#known[capability] ??= 'accepted';
  }

  /** A request was refused with it and has succeeded without; where others have succeeded with it, it is not about that. */
  refuses(capability: StoreCapability): void {
    if (this.#known[capability] !== undefined) return;
    this.#known[capability] = 'refused';
    this.#log?.(`the object store at ${this.#where} ${WITHOUT[capability]}`);
  }
}
