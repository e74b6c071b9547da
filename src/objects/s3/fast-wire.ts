/**
 * HTTP for the hot path: one request on one of a bounded number of sockets, its body straight to where it belongs, under
 * one deadline. It uses undici's dispatch, since a Readable for each answer costs a quarter of a small GET.
 * It stands alone so that what ends a request (answer, time-out, cancellation, close) is in one place: after the promise
 * is settled nothing is written anywhere, and a request that did not end by itself has lost its socket.
 * It must know nothing of S3.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import { type AbortListener, listen, unlisten } from '../abort.ts';
import { CallEnded } from './deadline.ts';

/** Takes the body of a 2xx answer. An error that is returned ends the request with it. */
export interface BodySink {
  begin(status: number, headers: IncomingHttpHeaders): Error | undefined;
  take(piece: Uint8Array): Error | undefined;
  end(): Error | undefined;
}

export interface WireRequest {
  /** e.g. `https://bkt.s3.eu-west-1.amazonaws.com`. */
  readonly origin: string;
  readonly method: 'GET' | 'HEAD' | 'PUT';
  /** With the query. */
  readonly path: string;
  /** Name, value, name, value; without Host and Content-Length. */
  readonly headers: readonly string[];
  readonly body?: Uint8Array;
  /** Where the body of a 2xx answer goes; absent: it is collected. */
  readonly sink?: BodySink;
}

/** An answer of any status; 1xx are not answers. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Of a body that no sink took. */
  readonly body: Buffer;
}

interface WireLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

interface WireSettings {
  /** For each origin. */
  readonly socketsMax: number;
  readonly connectTimeoutMs: number;
  /** Idle sockets are closed after this long. */
  readonly idleMs: number;
}

/** A thousand refusals of single names in the answer to a batch take 300 kB. */
const COLLECTED_BYTES_MAX = 4 * 1024 * 1024;
/** Smaller pieces are ends of bodies, or all of one. */
const REST_BYTES_MIN = 16 * 1024;
const NOTHING = Buffer.alloc(0);

export class FastWire {
  readonly #settings: WireSettings;
  /** By origin; as many as there are buckets with host names of their own. */
  readonly #pools = new Map<string, Pool>();

  constructor(settings: WireSettings) {
    this.#settings = settings;
  }

  /** Rejects with CallEnded at the deadline or with the caller's signal, with the sink's fault, or with undici's error. */
  send(request: WireRequest, limits: WireLimits): Promise<WireAnswer> {
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(request, { limits, resolve, reject });
      const { method, path, headers, body, origin } = request;
      try {
        // Undici only reads the headers; its type does not say so. It would give up the socket of each HEAD, for servers that
        // send a body with it: such a body is no answer to the next request either.
        const options = { method, path, headers: headers as string[], body: body ?? null, reset: false };
        this.#pool(origin).dispatch(options, exchange);
      } catch (thrown) {
        exchange.fail(thrown);
      }
    });
  }

  /** Ends what is in flight (`UND_ERR_DESTROYED`) and closes the sockets. */
  close(): void {
    for (const pool of this.#pools.values()) pool.destroy().catch(() => undefined);
  }

  #pool(origin: string): Pool {
    const known = this.#pools.get(origin);
    if (known !== undefined) return known;
    const { socketsMax, connectTimeoutMs, idleMs } = this.#settings;
    const pool = new Pool(origin, {
      connections: socketsMax,
      pipelining: 1,
      connect: { timeout: connectTimeoutMs },
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
      // Of the server's own Keep-Alive hint only so much is not used: it counts in whole seconds.
      keepAliveTimeoutThreshold: 1_000,
      // One deadline for all of it is ours.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#pools.set(origin, pool);
    return pool;
  }
}

interface Settling {
  readonly limits: WireLimits;
  readonly resolve: (answer: WireAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** One request on its way; also the listener of the caller's signal. */
class Exchange implements Dispatcher.DispatchHandler, AbortListener {
  place = 0;
  readonly #settling: Settling;
  readonly #sink: BodySink | undefined;
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #sinking = false;
  #collected: Buffer[] | undefined;
  #collectedBytes = 0;
  #ended = false;

  constructor(request: WireRequest, settling: Settling) {
    this.#sink = request.sink;
    this.#settling = settling;
    const { timeoutMs, signal } = settling.limits;
    this.#timer = setTimeout(expire, timeoutMs, this);
    if (signal === undefined) return;
    listen(signal, this);
    if (signal.aborted) this.aborted();
  }

  aborted(): void {
    this.fail(new CallEnded('cancelled'));
  }

  /** Ends the request now; its socket is destroyed before anybody hears of it. */
  fail(error: unknown): void {
    if (!this.#end()) return;
    this.#controller?.abort(error instanceof Error ? error : new Error('the request was ended'));
    this.#settling.reject(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Ended while it waited for a connection: it is not sent.
    if (this.#ended) controller.abort(new CallEnded('cancelled'));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200 || this.#ended) return;
    this.#status = status;
    this.#headers = headers;
    this.#sinking = this.#sink !== undefined && status < 300;
    if (this.#sinking) this.#check(this.#sink?.begin(status, headers));
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#ended) return;
    if (this.#sinking) {
      this.#check(this.#sink?.take(piece));
      this.#rest(controller, piece.length);
      return;
    }
    this.#collectedBytes += piece.length;
    if (this.#collectedBytes > COLLECTED_BYTES_MAX) {
      const answer = { $metadata: { httpStatusCode: this.#status } };
      this.fail(Object.assign(new Error('the answer is too long'), answer));
      return;
    }
    // A copy: the piece is part of a socket's 64 KiB.
    this.#collected ??= [];
    this.#collected.push(Buffer.from(piece));
  }

  onResponseEnd(): void {
    if (this.#ended) return;
    const fault = this.#sinking ? this.#sink?.end() : undefined;
    this.#end();
    if (fault !== undefined) this.#settling.reject(fault);
    else this.#settling.resolve({ status: this.#status, headers: this.#headers, body: this.#body() });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#end()) this.#settling.reject(error);
  }

  /**
   * A short rest after each piece of a long body: meanwhile more arrives, and is read at once. Without it a large body is
   * read in many small pieces, at twice the CPU.
   */
  #rest(controller: Dispatcher.DispatchController, bytes: number): void {
    if (bytes < REST_BYTES_MIN || this.#ended) return;
    controller.pause();
    setImmediate(resume, controller);
  }

  #check(fault: Error | undefined): void {
    if (fault !== undefined) this.fail(fault);
  }

  #body(): Buffer {
    return this.#collected === undefined ? NOTHING : Buffer.concat(this.#collected);
  }

  /** `false` when it had ended before. */
  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    clearTimeout(this.#timer);
    const { signal } = this.#settling.limits;
    if (signal !== undefined) unlisten(signal, this);
    return true;
  }
}

function resume(controller: Dispatcher.DispatchController): void {
  controller.resume();
}

function expire(exchange: Exchange): void {
  exchange.fail(new CallEnded('time-out'));
}
