/**
 * One S3 client: the SDK set up for many small calls on a bounded number of sockets, every call under a deadline and
 * with its errors classified, its credentials, and what was learned about the server. One request per call, and one more with
 * other credentials where the store refuses those that were used; every other retry is the decorator's (retrying-store.ts).
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { cancelledError, Turns } from '../turns.ts';
import { KnownCapabilities } from './capabilities.ts';
import { withinDeadline } from './deadline.ts';
import { classifyError, type RequestContext, refusesKeys } from './errors.ts';
import { FastWire, type WireAnswer, type WireRequest } from './fast-wire.ts';
import { S3Identity, SilentProvider } from './identity.ts';
import { checkSdkAnswers } from './sdk-hooks.ts';
import type { S3Credentials, S3Settings } from './settings.ts';

/** Time-out of one call, its body included: 4 MiB over a 2 Mbit/s line take 17 s. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Part of it that a credentials provider may take, so that the error names the provider and not the store. */
const PROVIDER_SHARE = 3 / 4;
/** Three SYN retries of Linux (1 + 2 + 4 s) would take longer than another try. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Twice the default concurrency of one store (retrying-store.ts). */
const SOCKETS_MAX = 64;
/**
 * Idle sockets are closed after this long, before the server does it: a request on a socket that is being closed fails
 * with ECONNRESET. Node's own servers close after 5 s, others later. Only with such an option does Node's Agent heed a
 * server's Keep-Alive hint, too (seen in 24.21).
 */
const IDLE_SOCKET_MS = 4_000;

/** What to do under a request's deadline. `signal` aborts at the time-out and with the caller's signal. */
export type SendRequest<T> = (sdk: S3Client, signal: AbortSignal) => Promise<T>;

export interface RequestOptions {
  /** Starts the error sentence, e.g. `Deleting 3 objects`; a function where making it for each request would cost. */
  readonly doing: string | (() => string);
  readonly bucket: string;
  readonly signal?: AbortSignal;
}

/** One request past the SDK. */
export interface ExchangeCalls<T> {
  readonly make: (credentials: S3Credentials) => WireRequest;
  /** What a 2xx answer is; may throw. */
  readonly done: (answer: WireAnswer) => T;
  /** What a failure is, where it is more than one. */
  readonly refused?: (thrown: unknown) => T | undefined;
}

/** A request that failed, and what may be done about it. */
interface Refused<T> {
  readonly options: RequestOptions;
  /** Of the credentials that it was sent with. */
  readonly generation: number;
  readonly run: () => Promise<T>;
  readonly refused?: (thrown: unknown) => T | undefined;
}

export class S3Connection {
  readonly capabilities: KnownCapabilities;
  readonly #sdk: S3Client;
  readonly #identity: S3Identity;
  readonly #turns: Turns;
  readonly #where: string;
  readonly #timeoutMs: number;
  readonly #wire: FastWire;
  readonly #settings: S3Settings;
  readonly #clean = (text: string): string => this.#identity.clean(text);
  #closed = false;

  constructor(settings: S3Settings) {
    const socketsMax = settings.maxSockets ?? SOCKETS_MAX;
    this.#settings = settings;
    this.#sdk = sdkClient(settings, socketsMax);
    this.#timeoutMs = settings.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#identity = identityOf(this.#sdk, () => sdkClient(settings, socketsMax), this.#timeoutMs * PROVIDER_SHARE);
    this.#turns = new Turns(socketsMax);
    this.#where =
      settings.endpoint === undefined ? (settings.region ?? 'the default endpoint') : new URL(settings.endpoint).host;
    this.#wire = new FastWire({ socketsMax, connectTimeoutMs: CONNECT_TIMEOUT_MS, idleMs: IDLE_SOCKET_MS });
    this.capabilities = new KnownCapabilities(this.#where, settings.log);
  }

  /** Whether checksum headers are to be sent with requests, and the store is not known to refuse them. */
  get sendsChecksums(): boolean {
    return this.#settings.requestChecksums !== 'when_required' && this.capabilities.has('checksumHeaders');
  }

  /** Whether checksums are to be asked for with what is read. */
  get asksForChecksums(): boolean {
    return this.#settings.responseChecksums === 'when_supported' && this.capabilities.has('responseChecksums');
  }

  /**
   * Runs `send`, which makes one request and reads its whole answer, when a socket is free: the time-out starts then.
   * Throws CompactError only; `cancelled` when the caller's signal aborts.
   */
  request<T>(options: RequestOptions, send: SendRequest<T>): Promise<T> {
    const { signal } = options;
    return this.#turns.take(async () => {
      if (this.#closed) throw cancelledError();
      const run = (): Promise<T> =>
        withinDeadline({ timeoutMs: this.#timeoutMs, signal }, (abort) => send(this.#sdk, abort));
      const generation = this.#generation();
      try {
        return await run();
      } catch (thrown) {
        return this.#afterRefusal(thrown, { options, generation, run });
      }
    }, signal);
  }

  /**
   * The same past the SDK: `make` is asked for the request when the turn has come, since a signature is good for minutes.
   * An answer that is no 2xx is thrown as CompactError; `refused` may make something else of it.
   */
  exchange<T>(options: RequestOptions, calls: ExchangeCalls<T>): Promise<T> {
    const { signal } = options;
    return this.#turns.take(async () => {
      if (this.#closed) throw cancelledError();
      const generation = this.#generation();
      // In place, for the thousands of small ones: each function that waits costs a tenth of a small GET.
      try {
        const credentials = this.#identity.known(Date.now()) ?? (await this.#askKeys(signal));
        return calls.done(await this.#wire.send(calls.make(credentials), { timeoutMs: this.#timeoutMs, signal }));
      } catch (thrown) {
        const run = async (): Promise<T> =>
          calls.done(
            await this.#wire.send(calls.make(await this.#askKeys(signal)), { timeoutMs: this.#timeoutMs, signal }),
          );
        return this.#afterRefusal(thrown, { options, generation, run, refused: calls.refused });
      }
    }, signal);
  }

  /** Sends it once more where the store refused the credentials and there are others by now; else throws what it means. */
  async #afterRefusal<T>(thrown: unknown, request: Refused<T>): Promise<T> {
    const { options, generation, run, refused } = request;
    let last = thrown;
    try {
      if (refusesKeys(thrown) && (await this.#renewed(generation, options.signal))) return await run();
    } catch (again) {
      last = again;
    }
    const outcome = refused?.(last);
    if (outcome !== undefined) return outcome;
    throw classifyError(last, this.context(options));
  }

  /** The first credentials may be asked for on the way. */
  #generation(): number {
    return Math.max(1, this.#identity.generation);
  }

  /** A provider that fails says nothing more than the refusal did; one that hangs may have others soon. */
  #renewed(generation: number, signal: AbortSignal | undefined): Promise<boolean> {
    const limits = { timeoutMs: this.#timeoutMs, signal };
    return withinDeadline(limits, () => this.#identity.renew(generation)).catch((failed: unknown) => {
      if (failed instanceof SilentProvider) throw failed;
      return false;
    });
  }

  #askKeys(signal: AbortSignal | undefined): Promise<S3Credentials> {
    return withinDeadline({ timeoutMs: this.#timeoutMs, signal }, () => this.#identity.ask());
  }

  /** The parts of an error sentence. */
  context(options: RequestOptions): RequestContext {
    const { bucket } = options;
    const doing = typeof options.doing === 'string' ? options.doing : options.doing();
    return { doing, bucket, where: this.#where, timeoutMs: this.#timeoutMs, clean: this.#clean };
  }

  /** Ends calls in flight (`store-unavailable`) and closes the sockets; later calls are `cancelled`. */
  close(): void {
    this.#closed = true;
    this.#sdk.destroy();
    this.#wire.close();
  }
}

function sdkClient(settings: S3Settings, maxSockets: number): S3Client {
  // Agent instances also keep the SDK from opening a fresh connection for a body with Expect: 100-continue.
  const agentOptions = { keepAlive: true, maxSockets, timeout: IDLE_SOCKET_MS };
  const config: S3ClientConfig & { readonly ignoreCache: boolean } = {
    // For the chain of credentials: a file is read again when its keys were refused.
    ignoreCache: true,
    maxAttempts: 1,
    // Checksums are our own (CRC32 of the body we hold); other servers than AWS choke on the SDK's trailers. AWS's own
    // settings for them are S3Settings' here.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    forcePathStyle: settings.forcePathStyle ?? settings.endpoint !== undefined,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_TIMEOUT_MS,
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent(agentOptions),
    }),
  };
  if (settings.endpoint !== undefined) config.endpoint = settings.endpoint;
  if (settings.region !== undefined) config.region = settings.region;
  if (settings.credentials !== undefined) config.credentials = settings.credentials;
  const sdk = new S3Client(config);
  checkSdkAnswers(sdk);
  return sdk;
}

/** The client's credentials, seen by both ways: what the SDK asks for itself is noted, too. */
function identityOf(sdk: S3Client, another: () => S3Client, answerMs: number): S3Identity {
  const identity = new S3Identity(sdk.config.credentials, () => another().config.credentials, Math.ceil(answerMs));
  // Already remembered by the provider that it asks.
  sdk.config.credentials = Object.assign(identity.ask.bind(identity), { memoized: true });
  return identity;
}
