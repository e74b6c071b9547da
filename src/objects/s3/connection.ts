/**
 * One S3 client: the SDK set up for many small calls on a bounded number of sockets, every call under a deadline and
 * with its errors classified, and what was learned about the server (which optional operations it lacks).
 * It stands alone so that the store says what to ask and this file how. One request per call, never a retry: the
 * decorator in limits.ts retries, so that budget and simulation see every try.
 */
import { createHash, getFips } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { cancelledError, Turns } from '../turns.ts';
import { withinDeadline } from './deadline.ts';
import { classifyError, type RequestContext } from './errors.ts';
import { FastWire, type WireAnswer, type WireRequest } from './fast-wire.ts';
import type { S3Settings } from './settings.ts';

/** Time-out of one call, its body included: 4 MiB over a 2 Mbit/s line take 17 s. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Three SYN retries of Linux (1 + 2 + 4 s) would take longer than another try. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Twice the default concurrency of one store (limits.ts). */
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
  readonly signal?: AbortSignal | undefined;
}

/** One request past the SDK. */
export interface ExchangeCalls<T> {
  readonly make: () => WireRequest;
  /** What a 2xx answer is; may throw. */
  readonly done: (answer: WireAnswer) => T;
  /** What a failure is, where it is more than one. */
  readonly refused?: (thrown: unknown) => T | undefined;
}

/** Optional operations, and what is done without them. */
const FALLBACKS = {
  conditionalPut: 'does not know If-None-Match; objects are written without it (their names are unique all the same)',
  multiDelete: 'does not know DeleteObjects; objects are deleted one by one',
} as const;
export type Capability = keyof typeof FALLBACKS;

export class S3Connection {
  readonly #sdk: S3Client;
  readonly #turns: Turns;
  readonly #where: string;
  readonly #timeoutMs: number;
  readonly #wire: FastWire;
  readonly #log: ((message: string) => void) | undefined;
  readonly #lacking = new Set<Capability>();
  #closed = false;

  constructor(settings: S3Settings) {
    const socketsMax = settings.maxSockets ?? SOCKETS_MAX;
    this.#sdk = sdkClient(settings, socketsMax);
    this.#turns = new Turns(socketsMax);
    this.#where = settings.endpoint === undefined ? (settings.region ?? 'AWS') : new URL(settings.endpoint).host;
    this.#timeoutMs = settings.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#wire = new FastWire({
      socketsMax,
      connectTimeoutMs: settings.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      idleMs: IDLE_SOCKET_MS,
    });
    this.#log = settings.log;
  }

  /**
   * Runs `send`, which makes one request and reads its whole answer, when a socket is free: the time-out starts then.
   * Throws CompactError only; `cancelled` when the caller's signal aborts.
   */
  request<T>(options: RequestOptions, send: SendRequest<T>): Promise<T> {
    const { signal } = options;
    return this.#turns.take(async () => {
      if (this.#closed) throw cancelledError();
      try {
        return await withinDeadline({ timeoutMs: this.#timeoutMs, signal }, (abort) => send(this.#sdk, abort));
      } catch (thrown) {
        throw classifyError(thrown, this.context(options));
      }
    }, signal);
  }

  /**
   * The same past the SDK: `make` is asked for the request when the turn has come, since a signature is good for minutes.
   * An answer that is no 2xx is thrown as CompactError; `refused` may make something else of it.
   */
  exchange<T>(options: RequestOptions, calls: ExchangeCalls<T>): Promise<T> {
    return this.#turns.take(async () => {
      if (this.#closed) throw cancelledError();
      try {
        return calls.done(await this.#wire.send(calls.make(), { timeoutMs: this.#timeoutMs, signal: options.signal }));
      } catch (thrown) {
        const outcome = calls.refused?.(thrown);
        if (outcome !== undefined) return outcome;
        throw classifyError(thrown, this.context(options));
      }
    }, options.signal);
  }

  /** The parts of an error sentence. */
  context(options: RequestOptions): RequestContext {
    const { bucket } = options;
    const doing = typeof options.doing === 'string' ? options.doing : options.doing();
    return { doing, bucket, where: this.#where, timeoutMs: this.#timeoutMs };
  }

  /** Whether the server is not known to lack an operation. */
  has(capability: Capability): boolean {
    return !this.#lacking.has(capability);
  }

  /** Remembers for the life of this client that the server lacks an operation, and says so once. */
  lacks(capability: Capability): void {
    if (this.#lacking.has(capability)) return;
    this.#lacking.add(capability);
    this.#log?.(`the object store at ${this.#where} ${FALLBACKS[capability]}`);
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
  const config: S3ClientConfig = {
    maxAttempts: 1,
    // Checksums are our own (CRC32 of the body we hold); other servers than AWS choke on the SDK's trailers.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    forcePathStyle: settings.forcePathStyle ?? settings.endpoint !== undefined,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: settings.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent(agentOptions),
    }),
  };
  if (settings.endpoint !== undefined) config.endpoint = settings.endpoint;
  if (settings.region !== undefined) config.region = settings.region;
  if (settings.credentials !== undefined) config.credentials = settings.credentials;
  const sdk = new S3Client(config);
  addBodyHeaders(sdk);
  return sdk;
}

/**
 * PUT: the body is not hashed for the signature (42 % of a PUT's CPU); its CRC32 header is signed in its place.
 * DeleteObjects: Content-MD5 besides the SDK's CRC32, because older servers (MinIO, Swift) refuse a batch without it.
 */
function addBodyHeaders(sdk: S3Client): void {
  sdk.middlewareStack.add(
    (next, context) => (args) => {
      const { request } = args;
      if (hasHeaders(request)) {
        if (context.commandName === 'PutObjectCommand') request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
        if (context.commandName === 'DeleteObjectsCommand' && getFips() === 0)
          request.headers['content-md5'] = createHash('md5').update(bodyBytes(request.body)).digest('base64');
      }
      return next(args);
    },
    // Before the signature, which covers both headers.
    { step: 'build', name: 's3compactBodyHeaders' },
  );
}

interface RequestWithHeaders {
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

function hasHeaders(request: unknown): request is RequestWithHeaders {
  return typeof request === 'object' && request !== null && 'headers' in request;
}

function bodyBytes(body: unknown): string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array ? body : '';
}
