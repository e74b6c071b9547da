/**
 * The hot requests past the SDK: signed and sent by hand, at a tenth of its cost for each (docs/performance.md). The same
 * answers mean the same as on the SDK's way; the contract suite, the table of answers and the fault tests run on both.
 * Whatever this way cannot do goes to the SDK: another kind of signature.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { ObjectHead } from '../port.ts';
import { checkPromised } from './answers.ts';
import { CRC32C_METADATA, crc32Base64, crc32Hex } from './checksums.ts';
import type { ExchangeCalls, RequestOptions, S3Connection } from './connection.ts';
import {
  CRC32_METADATA,
  describe,
  type Head,
  isTaken,
  objectHead,
  type Put,
  type PutOutcome,
  payloadOf,
  type RangeRead,
  rangeOf,
  type S3DataPath,
  STORAGE_CLASS,
} from './data-path-sdk.ts';
import { clockRefusal, type RequestContext, serverTimeMs } from './errors.ts';
import { type BucketAddress, bucketAddress } from './fast-address.ts';
import { refusedAnswer } from './fast-refusal.ts';
import { EMPTY_SHA256, encodeName, RequestSigner, type Signable } from './fast-sign.ts';
import type { BodySink, WireAnswer, WireRequest } from './fast-wire.ts';
import { RangeBody, shortError, wholeChecksum } from './range-body.ts';
import type { S3Credentials } from './settings.ts';

const USER_AGENT = 's3compact';

type Header = readonly [name: string, value: string];

/** A request before it is signed. */
interface Operation {
  readonly method: Signable['method'];
  readonly name: string;
  /** All but the signer's own, ascending by name; where they stand among those. */
  readonly beforeHost: readonly Header[];
  readonly afterHost: readonly Header[];
  readonly afterDate?: readonly Header[];
  readonly afterToken?: readonly Header[];
  readonly payload: string;
  readonly body?: Uint8Array;
  readonly sink?: BodySink;
}

/** What it takes to send to the bucket. */
interface Route {
  readonly address: BucketAddress;
  readonly signer: RequestSigner;
}

const NONE: readonly Header[] = [];
const CHECKSUM_MODE: Header = ['x-amz-checksum-mode', 'ENABLED'];

export class FastDataPath implements S3DataPath {
  readonly #connection: S3Connection;
  readonly #bucket: string;
  readonly #sdk: S3DataPath;
  /** `null`: the SDK must do it. */
  #route: Route | null | undefined;
  /** Server's clock minus ours, where a refusal has shown it. */
  #clockOffsetMs = 0;

  constructor(connection: S3Connection, bucket: string, sdk: S3DataPath) {
    this.#connection = connection;
    this.#bucket = bucket;
    this.#sdk = sdk;
  }

  async getRange(read: RangeRead): Promise<number> {
    const { name, checksum, signal } = read;
    const doing = (): string => describe.read(read);
    const options: RequestOptions = { doing, bucket: this.#bucket, signal };
    const route = this.#route === undefined ? await this.#find(options) : this.#route;
    if (route === null) return this.#sdk.getRange(read);
    const context = (): RequestContext => this.#connection.context(options);
    const range = rangeOf(read);
    const sink = new RangeSink({ ...read, context });
    const operation: Operation = {
      method: 'GET',
      name,
      beforeHost: NONE,
      afterHost: [
        ...(range === undefined ? NONE : ([['range', range]] as const)),
        ...(checksum ? [CHECKSUM_MODE] : NONE),
      ],
      payload: EMPTY_SHA256,
      sink,
    };
    const done = (answer: WireAnswer): number => {
      if (answer.status === 416) throw shortError(context(), 'it ends at or before this offset');
      this.#throwIfRefused(answer);
      return sink.filled;
    };
    return this.#connection.exchange(options, {
      make: (credentials) => this.#signed(operation, route, credentials),
      done,
    });
  }

  async put(put: Put): Promise<PutOutcome> {
    const { name, body, crc32, form, signal } = put;
    const options: RequestOptions = { doing: describe.write(name, body.length), bucket: this.#bucket, signal };
    const route = this.#route === undefined ? await this.#find(options) : this.#route;
    if (route === null) return this.#sdk.put(put);
    const operation: Operation = {
      method: 'PUT',
      name,
      beforeHost: [['content-type', 'application/octet-stream']],
      afterHost: [
        // I3: a name is written once.
        ...(form.conditional ? ([['if-none-match', '*']] as const) : NONE),
        ...(form.checksum ? ([['x-amz-checksum-crc32', crc32Base64(crc32)]] as const) : NONE),
      ],
      afterDate: [
        ...(put.crc32c === undefined ? NONE : ([[`x-amz-meta-${CRC32C_METADATA}`, `${put.crc32c}`]] as const)),
        [`x-amz-meta-${CRC32_METADATA}`, crc32Hex(crc32)],
      ],
      afterToken: put.storageClass === undefined ? NONE : [[STORAGE_CLASS, put.storageClass]],
      payload: payloadOf(put),
      body,
    };
    const calls: ExchangeCalls<PutOutcome> = {
      make: (credentials) => this.#signed(operation, route, credentials),
      done: (answer) => {
        this.#throwIfRefused(answer);
        checkPromised('put', { ...answer, body: answer.body.toString('latin1') });
        return 'created';
      },
      refused: (thrown) => (isTaken(thrown, put) ? 'exists' : undefined),
    };
    return this.#connection.exchange(options, calls);
  }

  async head(head: Head): Promise<ObjectHead | null> {
    const { name, signal } = head;
    const options: RequestOptions = { doing: () => describe.head(name), bucket: this.#bucket, signal };
    const route = this.#route === undefined ? await this.#find(options) : this.#route;
    if (route === null) return this.#sdk.head(head);
    const operation: Operation = {
      method: 'HEAD',
      name,
      beforeHost: NONE,
      afterHost: NONE,
      payload: EMPTY_SHA256,
    };
    let signedMs = 0;
    const calls: ExchangeCalls<ObjectHead | null> = {
      make: (credentials) => {
        signedMs = this.#nowMs();
        return this.#signed(operation, route, credentials);
      },
      done: (answer) => {
        if (answer.status === 404) return null;
        if (answer.status === 403) {
          const byClock = clockRefusal(refusedAnswer(answer), signedMs, this.#connection.context(options));
          if (byClock !== null) {
            this.#correctClock(answer);
            throw byClock;
          }
        }
        this.#throwIfRefused(answer);
        checkPromised('head', { ...answer, body: '' });
        const { headers } = answer;
        const crc32Text = headers[`x-amz-meta-${CRC32_METADATA}`];
        return objectHead(Number(headers['content-length']), crc32Text, this.#connection.context(options));
      },
    };
    return this.#connection.exchange(options, calls);
  }

  /** Where the bucket is; a failure is the operation's. */
  async #find(options: RequestOptions): Promise<Route | null> {
    const address = await this.#connection.request(options, (sdk) => bucketAddress(sdk, this.#bucket));
    this.#route = address === null ? null : { address, signer: new RequestSigner(address) };
    return this.#route;
  }

  #signed(operation: Operation, { address, signer }: Route, credentials: S3Credentials): WireRequest {
    const { method, name, payload, body, sink } = operation;
    const path = `${address.prefix}${encodeName(name)}`;
    const date = signer.date(this.#nowMs());
    // All that is signed, ascending: a signature is over the names in order.
    const headers: Header[] = [...operation.beforeHost, ['host', address.host], ...operation.afterHost];
    headers.push(['x-amz-content-sha256', payload], ['x-amz-date', date], ...(operation.afterDate ?? NONE));
    const { sessionToken } = credentials;
    if (sessionToken !== undefined) headers.push(['x-amz-security-token', sessionToken]);
    headers.push(...(operation.afterToken ?? NONE));
    const flat = ['user-agent', USER_AGENT];
    for (const [header, value] of headers) if (header !== 'host') flat.push(header, value);
    flat.push('authorization', signer.authorization({ method, path, headers, payload }, credentials, date));
    return { origin: address.origin, method, path, headers: flat, body, sink };
  }

  #throwIfRefused(answer: WireAnswer): void {
    if (answer.status < 300) return;
    const refusal = refusedAnswer(answer);
    if (refusal.name === 'RequestTimeTooSkewed') this.#correctClock(answer);
    throw refusal;
  }

  /** By the server's clock, where it is known to be another one. */
  #nowMs(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  /** The next try is signed with the time of the server. */
  #correctClock(answer: WireAnswer): void {
    const serverMs = serverTimeMs(answer.headers);
    if (!Number.isNaN(serverMs)) this.#clockOffsetMs = serverMs - Date.now();
  }
}

/** The body of a ranged GET, on its way into the target. */
class RangeSink extends RangeBody implements BodySink {
  begin(status: number, headers: IncomingHttpHeaders): Error | undefined {
    const length = headers['content-length'];
    return this.open({
      status,
      etag: headers.etag,
      contentRange: headers['content-range'],
      contentLength: length === undefined ? undefined : Number(length),
      checksum: wholeChecksum(headers['x-amz-checksum-crc32'], headers['x-amz-checksum-type']),
      crc32c: headers[`x-amz-meta-${CRC32C_METADATA}`],
    });
  }
}
