/**
 * What an S3 failure means for the caller: SDK error name, HTTP status and Node error code in, CompactError out.
 * It stands alone so that the one table of names is read and tested in one place. It never matches message words, and
 * never passes on what may hold a key: the SDK's error objects carry the signed request, some servers put the access
 * key id into their message.
 */
import { CompactError, type ErrorCode, type ErrorKind } from '../../errors.ts';
import { cancelledError } from '../turns.ts';
import { CallEnded } from './deadline.ts';
import { retryAfterOf } from './retry-after.ts';

/** What was being done, for the message. */
export interface RequestContext {
  /** Starts the sentence, e.g. `Reading 16 bytes at offset 4 of object "1_2_3_0_0"`. */
  readonly doing: string;
  readonly bucket: string;
  /** Host of the endpoint, or the region. Never a URL: that may carry credentials. */
  readonly where: string;
  readonly timeoutMs: number;
}

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
  ExpiredToken: 'access-denied',
  InvalidToken: 'access-denied',
  TokenRefreshRequired: 'access-denied',
  CredentialsProviderError: 'access-denied',
  // 403, but no question of credentials.
  InvalidObjectState: 'store-refused',
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
const UNNAMED: ReadonlySet<string> = new Set(['Unknown', 'UnknownError', 'Error']);

const KIND: Partial<Record<ErrorCode, ErrorKind>> = {
  'object-missing': 'retry',
  'object-short': 'retry',
  'store-unavailable': 'retry',
  cancelled: 'retry',
};

const ADVICE: Partial<Record<ErrorCode, string>> = {
  'object-missing': 'The client that wrote it may not have uploaded it yet; the work is repeated later.',
  'object-short': 'The client that wrote it may not have uploaded all of it yet; the work is repeated later.',
  'bucket-missing': 'Check the bucket name and the endpoint of the file system.',
  'access-denied':
    'Check the AWS_* credentials and their policy; without s3:ListBucket a missing object is refused this way, too.',
  'store-refused': 'Repeating will not help: check endpoint, region and the permissions and limits of the bucket.',
  'store-unavailable': 'The call can be repeated.',
};

/** What of a thrown value classification may look at. */
export interface ErrorFacts {
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

/** A CompactError of the object store with the kind and the advice that belong to its code. */
export function storeError(code: ErrorCode, context: RequestContext, what: string, cause?: unknown): CompactError {
  const message = `${context.doing} in bucket "${context.bucket}" at ${context.where} failed: ${what}. ${ADVICE[code] ?? ''}`;
  return new CompactError(message.trimEnd(), { kind: KIND[code] ?? 'halt', code, cause });
}

/** Turns whatever a request threw into a CompactError; one that already is stays as it is. */
export function classifyError(thrown: unknown, context: RequestContext): CompactError {
  if (thrown instanceof CompactError) return thrown;
  if (thrown instanceof CallEnded) {
    if (thrown.reason === 'cancelled') return cancelledError(thrown);
    return storeError('store-unavailable', context, `no complete answer within ${context.timeoutMs} ms`, thrown);
  }
  const facts = errorFacts(thrown);
  const code = codeOf(facts);
  const error = storeError(code, context, told(facts, code, thrown), safeCause(facts, code, thrown));
  const retryAfterMs = retryAfterOf(thrown);
  if (retryAfterMs === undefined) return error;
  return new CompactError(error.message, { kind: error.kind, code, cause: error.cause, retryAfterMs });
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
  // A 2xx that could not be read was broken on its way.
  return status >= 500 || status === 429 || status === 408 || status < 300 ? 'store-unavailable' : 'store-refused';
}

function told(facts: ErrorFacts, code: ErrorCode, thrown: unknown): string {
  if (facts.status !== undefined) {
    // An answer without a body, as to HEAD, gives the SDK no name.
    const name = UNNAMED.has(facts.name) ? '' : ` ${facts.name}`;
    const elsewhere = facts.region === undefined ? '' : `; the bucket is in region "${facts.region}"`;
    return `the server answered ${facts.status}${name}${elsewhere}`;
  }
  if (code === 'access-denied') return `no usable credentials (${facts.name})`;
  if (facts.code !== undefined) return `no answer (${facts.code})`;
  if (!(thrown instanceof Error)) return facts.name;
  return UNNAMED.has(facts.name) ? thrown.message : `${facts.name}: ${thrown.message}`;
}

/** The cause without the signed request, and without the server's text where that may name a key. */
function safeCause(facts: ErrorFacts, code: ErrorCode, thrown: unknown): Error {
  const text = code === 'access-denied' || !(thrown instanceof Error) ? '' : thrown.message;
  const cause = new Error(text === '' ? facts.name : `${facts.name}: ${text}`);
  return Object.assign(cause, {
    ...(facts.status === undefined ? {} : { httpStatusCode: facts.status }),
    ...(facts.code === undefined ? {} : { code: facts.code }),
  });
}
