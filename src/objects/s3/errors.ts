/**
 * What an S3 failure means for the caller: SDK error name, HTTP status and Node error code in, CompactError out. It never
 * matches message words, and passes on no key: the SDK's error objects carry the signed request, some servers put the key id
 * or the text that was signed into their message, which is passed on as one short line without anything of that kind.
 */
import { CompactError, type ErrorCode, type ErrorKind } from '../../errors.ts';
import { cancelledError } from '../turns.ts';
import { UNPROMISED } from './answers.ts';
import { CallEnded } from './deadline.ts';

/** What was being done, for the message. */
export interface RequestContext {
  /** Starts the sentence, e.g. `Reading 16 bytes at offset 4 of object "1_2_3_0_0"`. */
  readonly doing: string;
  readonly bucket: string;
  /** Host of the endpoint, or the region. Never a URL: that may carry credentials. */
  readonly where: string;
  readonly timeoutMs: number;
  /** Takes the keys in use out of a text. */
  readonly clean?: (text: string) => string;
}

/** What gives the credentials hangs (identity.ts). */
export const SILENT_PROVIDER = 'SilentProvider';

/** Names that decide before the status does, because their status misleads or is shared. */
const CODE_BY_NAME: Readonly<Record<string, ErrorCode>> = {
  NoSuchKey: 'object-missing',
  NoSuchBucket: 'bucket-missing',
  // The request never reached the object, or was damaged on its way.
  RequestTimeout: 'store-unavailable',
  IncompleteBody: 'store-unavailable',
  BadDigest: 'store-unavailable',
  XAmzContentChecksumMismatch: 'store-unavailable',
  XAmzContentSHA256Mismatch: 'store-unavailable',
  SlowDown: 'store-unavailable',
  SlowDownWrite: 'store-unavailable',
  SlowDownRead: 'store-unavailable',
  Throttling: 'store-unavailable',
  ThrottlingException: 'store-unavailable',
  BandwidthLimitExceeded: 'store-unavailable',
  // Another request on the same key was in progress (409).
  OperationAborted: 'store-unavailable',
  ConditionalRequestConflict: 'store-unavailable',
  // The SDK corrects its clock from the refusal, so the next try is signed with the server's time.
  RequestTimeTooSkewed: 'store-unavailable',
  TimeoutError: 'store-unavailable',
  // Undici's, which comes without a code where the answer is no HTTP at all.
  HTTPParserError: 'store-unavailable',
  // A status of success, and not the answer of the operation.
  [UNPROMISED]: 'store-unavailable',
  [SILENT_PROVIDER]: 'store-unavailable',
  ExpiredToken: 'access-denied',
  InvalidToken: 'access-denied',
  TokenRefreshRequired: 'access-denied',
  CredentialsProviderError: 'access-denied',
  // 403, but no question of credentials.
  InvalidObjectState: 'store-refused',
  SecondLevelDomainForbidden: 'store-refused',
  // With any status: no outage, it will not know it later.
  NotImplemented: 'store-refused',
  QuotaExceeded: 'store-refused',
};

/** Node's network failures, with the HTTP parser's and the stream's word for an answer that broke off. */
const NETWORK_CODES: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_SOCKET_CLOSED',
  // undici's words for the same.
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_ABORTED',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
]);
/** Prefix of llhttp's codes: the answer was not HTTP. */
const PARSER_CODE_PREFIX = 'HPE_';

/** What the SDK calls an error that the server gave no code. */
const UNNAMED: ReadonlySet<string> = new Set(['Unknown', 'UnknownError', 'Error', 'NotFound']);

const KIND: Partial<Record<ErrorCode, ErrorKind>> = {
  'object-missing': 'retry',
  'object-short': 'retry',
  'store-unavailable': 'retry',
  cancelled: 'retry',
};

const ADVICE: Partial<Record<ErrorCode, string>> = {
  'object-missing': 'The client that wrote it may not have uploaded it yet.',
  'object-short': 'The client that wrote it may not have uploaded all of it yet.',
  'object-damaged': 'Look at it before releasing the inode.',
  'bucket-missing': 'Check the bucket name and the endpoint of the file system.',
  'access-denied':
    'Check the AWS_* credentials and their policy; without s3:ListBucket a missing object is refused this way, too.',
  'store-refused': 'Repeating will not help: check endpoint, region and the permissions and limits of the bucket.',
  'store-unavailable': 'The call can be repeated.',
};

/** Advice that belongs to the name of the error. */
const ADVICE_BY_NAME: Readonly<Record<string, string>> = {
  [SILENT_PROVIDER]:
    'Look at what gives the credentials (credential process, instance metadata, role of the pod), not at the store; it is asked again.',
  SecondLevelDomainForbidden:
    'The store wants the bucket in the host name (virtual-host addressing): set S3COMPACT_FORCE_PATH_STYLE=false.',
};

/** What a status means that comes without a word. */
const MEANING: Readonly<Record<number, string>> = {
  301: ': the bucket is in another region, or at another endpoint',
  400: ': the keys have expired or are unknown, or the request is not one that this store takes',
  401: ': the store wants other keys',
  403: ': the keys may not do this, or are not valid',
  404: ': there is no such bucket, or nothing of S3 at this address',
};

/** Refusals of the credentials themselves, not of what they may do: others may be had by now. */
const REFUSED_KEYS: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidToken',
  'TokenRefreshRequired',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
]);

/** Refusals that no other form of the request changes. */
const REFUSED_ANYHOW: ReadonlySet<string> = new Set([
  'AuthorizationHeaderMalformed',
  'EntityTooLarge',
  'InvalidBucketName',
  'InvalidStorageClass',
  'InvalidURI',
  'KeyTooLongError',
  'QuotaExceeded',
]);

/** What of a thrown value classification may look at. */
interface ErrorFacts {
  /** The SDK's name of the error, mostly the code in the server's answer. */
  readonly name: string;
  /** HTTP status; absent when no answer came. */
  readonly status?: number;
  /** Node's error code. */
  readonly code?: string;
  /** The region that the bucket is in, where the server sends the request elsewhere. */
  readonly region?: string;
}

/** Reads name, status and code from whatever the SDK threw. */
export function errorFacts(thrown: unknown): ErrorFacts {
  if (typeof thrown !== 'object' || thrown === null) return { name: 'Unknown' };
  const error = thrown as {
    name?: unknown;
    code?: unknown;
    region?: unknown;
    $metadata?: { httpStatusCode?: unknown };
  };
  const status = error.$metadata?.httpStatusCode;
  return {
    name: typeof error.name === 'string' ? error.name : 'Unknown',
    ...(typeof status === 'number' ? { status } : {}),
    ...(typeof error.code === 'string' ? { code: error.code } : {}),
    ...(typeof error.region === 'string' ? { region: error.region } : {}),
  };
}

/** Whether the store refused the credentials of a request; HEAD has no body to say so, and any 400 or 403 of it may. */
export function refusesKeys(thrown: unknown): boolean {
  const { name, status } = errorFacts(thrown);
  return REFUSED_KEYS.has(name) || ((status === 400 || status === 403) && isUnnamed(name, status));
}

/** Whether an error of ours says that there are no usable keys; not for HEAD, which names nothing. */
export function refusedKeys({ cause }: CompactError): boolean {
  const { name } = errorFacts(cause);
  return REFUSED_KEYS.has(name) || name === 'CredentialsProviderError';
}

/** Whether the store may have refused only the form of a request (a header that it does not know), by its status. */
export function refusesForm(error: CompactError, statuses: readonly number[]): boolean {
  const { name, status = 0 } = errorFacts(error.cause);
  return error.code === 'store-refused' && statuses.includes(status) && !REFUSED_ANYHOW.has(name);
}

/** A CompactError of the object store with the kind and the advice that belong to its code. */
export function storeError(
  code: ErrorCode,
  context: RequestContext,
  what: string,
  { cause, retryAfterMs }: { readonly cause?: unknown; readonly retryAfterMs?: number } = {},
): CompactError {
  const name = cause instanceof Error && Object.hasOwn(ADVICE_BY_NAME, cause.name) ? cause.name : '';
  const advice = ADVICE_BY_NAME[name] ?? ADVICE[code] ?? '';
  const message = `${context.doing} in bucket "${context.bucket}" at ${context.where} failed: ${what}. ${advice}`;
  return new CompactError(message.trimEnd(), { kind: KIND[code] ?? 'halt', code, cause, retryAfterMs });
}

/** By more than this S3 refuses what is signed with another time than its own. */
const CLOCK_ALLOWANCE_MS = 15 * 60_000;

/**
 * A refused HEAD has no word to say that our clock was the reason (RequestTimeTooSkewed): where that may be, it is a failure to be
 * repeated by the server's clock. `signedMs` is the time that the request was signed with; else `null`.
 */
export function clockRefusal(thrown: unknown, signedMs: number, context: RequestContext): CompactError | null {
  const { name, status } = errorFacts(thrown);
  const awayMs = Math.abs(serverTimeMs(answerHeaders(thrown)) - signedMs);
  if (status !== 403 || !isUnnamed(name, status) || !(awayMs > CLOCK_ALLOWANCE_MS)) return null;
  const what = `the server answered 403, and its clock is ${Math.round(awayMs / 60_000)} minutes away from ours; the next try is signed with its time`;
  return storeError('store-unavailable', context, what, { cause: safeCause({ name, status }, '') });
}

/** Turns whatever a request threw into a CompactError; one that already is stays as it is. */
export function classifyError(thrown: unknown, context: RequestContext): CompactError {
  if (thrown instanceof CompactError) return thrown;
  if (thrown instanceof CallEnded) {
    if (thrown.reason === 'cancelled') return cancelledError(thrown);
    return storeError('store-unavailable', context, `no complete answer within ${context.timeoutMs} ms`, {
      cause: thrown,
    });
  }
  const facts = errorFacts(thrown);
  const code = codeOf(facts);
  const words = thrown instanceof Error ? cleanWords(thrown.message, context) : '';
  const about = { cause: safeCause(facts, words), retryAfterMs: retryAfterOf(thrown) };
  return storeError(code, context, described(facts, code, words), about);
}

function codeOf({ name, status, code }: ErrorFacts): ErrorCode {
  // Own keys only: the name comes from a server's answer.
  const byName = Object.hasOwn(CODE_BY_NAME, name) ? CODE_BY_NAME[name] : undefined;
  if (byName !== undefined) return byName;
  if (code !== undefined && (NETWORK_CODES.has(code) || code.startsWith(PARSER_CODE_PREFIX)))
    return 'store-unavailable';
  // No answer and no network code: settings the SDK could not work with.
  if (status === undefined) return 'store-refused';
  if (status === 401 || status === 403) return 'access-denied';
  // A 2xx that could not be read was broken on its way. 501 is no outage: the store does not know what was asked.
  const passes = (status >= 500 && status !== 501) || status === 429 || status === 408 || status < 300;
  return passes ? 'store-unavailable' : 'store-refused';
}

function described(facts: ErrorFacts, code: ErrorCode, words: string): string {
  const { name, status } = facts;
  if (name === UNPROMISED) return `the server answered ${status} ${words}`;
  if (status !== undefined) {
    const elsewhere = facts.region === undefined ? '' : `; the bucket is in region "${facts.region}"`;
    const said = words === '' ? '' : ` ("${words}")`;
    if (!isUnnamed(name, status)) return `the server answered ${status} ${name}${said}${elsewhere}`;
    // An answer without a body, as to HEAD, gives the SDK no name.
    return `the server answered ${status}${said || (MEANING[status] ?? '')}${elsewhere}`;
  }
  if (code === 'access-denied') return `no usable credentials (${name})`;
  if (facts.code !== undefined) return `no answer (${facts.code}); check the endpoint and the server`;
  if (words === '') return name;
  // The SDK's words name no setting.
  if (words === 'Region is missing')
    return 'no region is known: set AWS_REGION, to us-east-1 where the server has no regions';
  return name === SILENT_PROVIDER || isUnnamed(name) ? words : `${name}: ${words}`;
}

/** Longest line of a server's words in ours. */
const WORDS_MAX = 200;
/** Ids of AWS keys; runs that keys, tokens and signatures are made of, and ordinary words are not. */
const KEY_LIKE = /\b(?:A[A-Z]IA|AROA|AIDA)[A-Z0-9]{8,}\b|(?=[A-Za-z+/=]*\d)[A-Za-z0-9+/=]{20,}/g;

/** Others' words as one short line without keys. */
function cleanWords(text: string, { clean = (words) => words }: RequestContext): string {
  if (isUnnamed(text)) return '';
  // Cut first: a page of HTML may be long. The marks that end our own sentence go.
  const line = text.slice(0, 4_096).replace(/[\s\p{Cc}"]+/gu, ' ');
  const cleaned = clean(line).replace(KEY_LIKE, '…').trim();
  return (cleaned.length > WORDS_MAX ? `${cleaned.slice(0, WORDS_MAX)}…` : cleaned).replace(/\.+$/, '');
}

/** Whether a name is the SDK's for an error without one; to HEAD it gives the status, or its word. */
function isUnnamed(name: string, status?: number): boolean {
  return UNNAMED.has(name) || (status !== undefined && name === String(status));
}

/** The cause without the signed request: name, status and code, as errorFacts reads them, and clean words. */
function safeCause({ name, status, code }: ErrorFacts, words: string): Error {
  const cause = new Error(words === '' ? name : `${name}: ${words}`);
  cause.name = name;
  return Object.assign(cause, {
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
    code,
  });
}

const SECONDS = /^\d{1,9}$/;

/** The wait in ms that an error's answer asks for; `undefined` where it asks for none. */
function retryAfterOf(thrown: unknown): number | undefined {
  const headers = answerHeaders(thrown);
  return headers === undefined ? undefined : retryAfterMs(headers['retry-after'], headers['date']);
}

function answerHeaders(thrown: unknown): Readonly<Record<string, unknown>> | undefined {
  const error = thrown as { readonly $response?: { readonly headers?: Readonly<Record<string, unknown>> } };
  return error?.$response?.headers;
}

/** The server's time by an answer's headers, which tell for how long it has lain in a cache; NaN where they do not tell. */
export function serverTimeMs(headers: Readonly<Record<string, unknown>> | undefined): number {
  const age = String(headers?.['age'] ?? 0);
  return SECONDS.test(age) ? Date.parse(String(headers?.['date'])) + Number(age) * 1_000 : Number.NaN;
}

/** Values of the headers `Retry-After` (seconds, or a date, judged by the server's own clock) and `Date`. */
export function retryAfterMs(value: unknown, date: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (SECONDS.test(text)) return Number(text) * 1000;
  const untilMs = Date.parse(text);
  const nowMs = typeof date === 'string' ? Date.parse(date) : Number.NaN;
  const ms = untilMs - nowMs;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
