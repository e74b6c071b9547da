/**
 * The hot requests past the SDK: signed and sent by hand, at a tenth of its cost for each (docs/performance.md). The same
 * answers mean the same as on the SDK's way; the contract suite and the fault tests run on both. Whatever this way cannot
 * do goes to the SDK: another kind of signature, names that XML cannot hold.
 */
import { createHash, getFips, hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { crc32 } from 'node:zlib';
import type { DeleteFailure } from '../port.ts';
import type { RequestOptions, S3Connection } from './connection.ts';
import {
  CRC32_METADATA,
  crc32Base64,
  crc32Hex,
  lacksMultiDelete,
  type Put,
  type PutOutcome,
  type RangeRead,
  realFailures,
  refusedPut,
  type S3DataPath,
  telling,
} from './data-path-sdk.ts';
import type { RequestContext } from './errors.ts';
import { type BucketAddress, bucketAddress, FastIdentity } from './fast-address.ts';
import { EMPTY_SHA256, encodeName, RequestSigner, type Signable, UNSIGNED_PAYLOAD } from './fast-sign.ts';
import type { BodySink, WireAnswer, WireRequest } from './fast-wire.ts';
import { deleteBody, deleteFailures, fitsXml, refusedAnswer } from './fast-xml.ts';
import { RangeBody, type RangeTarget, shortError } from './range-body.ts';
import type { S3Credentials } from './settings.ts';

const USER_AGENT = 's3compact';
/** Answers that say that the credentials have ended, whatever their own date says. */
const ENDED_CREDENTIALS: ReadonlySet<string> = new Set(['ExpiredToken', 'InvalidToken', 'TokenRefreshRequired']);

type Header = readonly [name: string, value: string];

/** A request before it is signed. */
interface Operation {
  readonly method: Signable['method'];
  /** Absent: the bucket itself. */
  readonly name?: string;
  readonly query?: string;
  /** All but the signer's own, ascending by name; where they stand among those. */
  readonly beforeHost: readonly Header[];
  readonly afterHost: readonly Header[];
  readonly afterDate?: readonly Header[];
  readonly payload: string;
  readonly body?: Uint8Array;
  readonly sink?: BodySink;
}

/** What a request is for, and what its answers mean. */
interface Meaning<T> {
  readonly options: RequestOptions;
  readonly done: (answer: WireAnswer) => T;
  readonly refused?: (thrown: unknown) => T | undefined;
}

/** What it takes to send to the bucket. */
interface Route {
  readonly address: BucketAddress;
  readonly signer: RequestSigner;
}

const NONE: readonly Header[] = [];

export class FastDataPath implements S3DataPath {
  readonly #connection: S3Connection;
  readonly #bucket: string;
  readonly #sdk: S3DataPath;
  readonly #identity: FastIdentity;
  /** `null`: the SDK must do it. */
  #route: Route | null | undefined;
  /** Server's clock minus ours, where a refusal has told it. */
  #clockOffsetMs = 0;

  constructor(connection: S3Connection, bucket: string, sdk: S3DataPath) {
    this.#connection = connection;
    this.#bucket = bucket;
    this.#sdk = sdk;
    this.#identity = new FastIdentity(connection);
  }

  async getRange(read: RangeRead): Promise<void> {
    const { name, offset, target, signal } = read;
    const doing = (): string => telling.read(name, offset, target.length);
    const options: RequestOptions = { doing, bucket: this.#bucket, signal };
    const route = this.#route === undefined ? await this.#find(options) : this.#route;
    if (route === null) return this.#sdk.getRange(read);
    const context = (): RequestContext => this.#connection.context(options);
    const operation: Operation = {
      method: 'GET',
      name,
      beforeHost: NONE,
      afterHost: [['range', `bytes=${offset}-${offset + target.length - 1}`]],
      payload: EMPTY_SHA256,
      sink: new RangeSink({ offset, target, context }),
    };
    const done = (answer: WireAnswer): void => {
      if (answer.status === 416) throw shortError(context(), 'it ends at or before this offset');
      this.#throwIfRefused(answer);
    };
    return this.#send(operation, route, { options, done });
  }

  async put(put: Put): Promise<PutOutcome> {
    const { name, body, checksum, conditional, signal } = put;
    const options: RequestOptions = { doing: telling.write(name, body.length), bucket: this.#bucket, signal };
    const route = this.#route === undefined ? await this.#find(options) : this.#route;
    if (route === null) return this.#sdk.put(put);
    const operation: Operation = {
      method: 'PUT',
      name,
      beforeHost: [['content-type', 'application/octet-stream']],
      afterHost: [
        // I3: a name is written once.
        ...(conditional ? ([['if-none-match', '*']] as const) : NONE),
        ['x-amz-checksum-crc32', crc32Base64(checksum)],
      ],
      afterDate: [[`x-amz-meta-${CRC32_METADATA}`, crc32Hex(checksum)]],
      payload: UNSIGNED_PAYLOAD,
      body,
    };
    const done = (answer: WireAnswer): PutOutcome => {
      this.#throwIfRefused(answer);
      return 'created';
    };
    return this.#send(operation, route, { options, done, refused: (thrown) => refusedPut(thrown, put) });
  }

  async deleteBatch(names: readonly string[], signal?: AbortSignal): Promise<readonly DeleteFailure[] | 'unsupported'> {
    const options: RequestOptions = { doing: telling.deleteBatch(names), bucket: this.#bucket, signal };
    const route = this.#route === undefined ? await this.#find(options) : this.#route;
    if (route === null || !names.every(fitsXml)) return this.#sdk.deleteBatch(names, signal);
    const body = deleteBody(names);
    const operation: Operation = {
      method: 'POST',
      query: 'delete',
      beforeHost: [
        // Older servers (MinIO, Swift) refuse a batch without it.
        ...(getFips() === 0 ? ([['content-md5', createHash('md5').update(body).digest('base64')]] as const) : NONE),
        ['content-type', 'application/xml'],
      ],
      afterHost: [['x-amz-checksum-crc32', crc32Base64(crc32(body))]],
      afterDate: [['x-amz-sdk-checksum-algorithm', 'CRC32']],
      payload: hash('sha256', body, 'hex'),
      body,
    };
    const done = (answer: WireAnswer): readonly DeleteFailure[] | 'unsupported' => {
      this.#throwIfRefused(answer);
      return realFailures(deleteFailures(answer));
    };
    const refused = (thrown: unknown): 'unsupported' | undefined =>
      lacksMultiDelete(thrown) ? 'unsupported' : undefined;
    return this.#send(operation, route, { options, done, refused });
  }

  /** Where the bucket is; a failure is the operation's. */
  async #find(options: RequestOptions): Promise<Route | null> {
    const address = await this.#connection.request(options, (sdk) => bucketAddress(sdk, this.#bucket));
    this.#route = address === null ? null : { address, signer: new RequestSigner(address) };
    return this.#route;
  }

  #send<T>(operation: Operation, route: Route, meaning: Meaning<T>): Promise<T> {
    const credentials = this.#identity.known(Date.now());
    if (credentials !== undefined) return this.#sendAs(credentials, operation, { ...meaning, route });
    return this.#identity.ask(meaning.options).then((asked) => this.#sendAs(asked, operation, { ...meaning, route }));
  }

  #sendAs<T>(credentials: S3Credentials, operation: Operation, on: Meaning<T> & { readonly route: Route }): Promise<T> {
    const { options, done, refused, route } = on;
    const make = (): WireRequest => this.#signed(operation, route, credentials);
    return this.#connection.exchange(options, { make, done, ...(refused === undefined ? {} : { refused }) });
  }

  #signed(operation: Operation, { address, signer }: Route, credentials: S3Credentials): WireRequest {
    const { method, name, query = '', payload, body, sink } = operation;
    const path = name === undefined ? bucketPath(address) : `${address.prefix}${encodeName(name)}`;
    const date = signer.date(Date.now() + this.#clockOffsetMs);
    const headers = headersOf(operation, { host: address.host, date, token: credentials.sessionToken });
    const flat = ['user-agent', USER_AGENT];
    for (const [header, value] of headers) if (header !== 'host') flat.push(header, value);
    flat.push('authorization', signer.authorization({ method, path, query, headers, payload }, credentials, date));
    return {
      origin: address.origin,
      method,
      path: query === '' ? path : `${path}?${query}`,
      headers: flat,
      ...(body === undefined ? {} : { body }),
      ...(sink === undefined ? {} : { sink }),
    };
  }

  #throwIfRefused(answer: WireAnswer): void {
    if (answer.status < 300) return;
    const refusal = refusedAnswer(answer);
    if (refusal.name === 'RequestTimeTooSkewed') this.#correctClock(answer);
    if (ENDED_CREDENTIALS.has(refusal.name)) this.#identity.refused();
    throw refusal;
  }

  /** The next try is signed with the time of the server. */
  #correctClock(answer: WireAnswer): void {
    const serverMs = Date.parse(answer.headers.date ?? '');
    if (!Number.isNaN(serverMs)) this.#clockOffsetMs = serverMs - Date.now();
  }
}

/** The body of a ranged GET, on its way into the target. */
class RangeSink implements BodySink {
  readonly #body: RangeBody;

  constructor(range: RangeTarget) {
    this.#body = new RangeBody(range);
  }

  begin(headers: IncomingHttpHeaders): Error | undefined {
    const length = headers['content-length'];
    return this.#body.begin({
      contentRange: headers['content-range'],
      contentLength: length === undefined ? undefined : Number(length),
    });
  }

  take(piece: Uint8Array): Error | undefined {
    return this.#body.take(piece);
  }

  end(): Error | undefined {
    return this.#body.end();
  }
}

interface SignerHeaders {
  readonly host: string;
  readonly date: string;
  readonly token: string | undefined;
}

/** All that is signed, ascending: a signature is over the names in order. */
function headersOf(operation: Operation, { host, date, token }: SignerHeaders): Header[] {
  const { beforeHost, afterHost, afterDate, payload } = operation;
  const headers: Header[] = [...beforeHost, ['host', host], ...afterHost];
  headers.push(['x-amz-content-sha256', payload], ['x-amz-date', date]);
  if (afterDate !== undefined) headers.push(...afterDate);
  if (token !== undefined) insertToken(headers, token);
  return headers;
}

/** Behind `x-amz-meta-…` and before `x-amz-sdk-…`. */
function insertToken(headers: Header[], token: string): void {
  const name = 'x-amz-security-token';
  const at = headers.findIndex(([header]) => header > name);
  headers.splice(at === -1 ? headers.length : at, 0, [name, token]);
}

function bucketPath({ prefix }: BucketAddress): string {
  return prefix.length > 1 ? prefix.slice(0, -1) : prefix;
}
