/**
 * The state of a Redis connection and what its errors mean, by class and by the code word that starts every error
 * reply (that is the protocol), never by their text.
 * It must know no key, and nothing that comes from here holds a password or the arguments of a command.
 */
import { Cluster, type Redis, ReplyError } from 'ioredis';
import { toError } from '../errors.ts';

export type RedisClient = Redis | Cluster;

/** `CODE text`. Redis 6 puts where a script failed before it: `@user_script: 12: -CODE text`. */
const REPLY_CODE = /^(?:@user_script: ?\d+: ?)?-?([A-Z][A-Z0-9]*)(?: |$)/;
/** Replies to a new connection that time does not change. */
const REFUSALS: ReadonlySet<string> = new Set(['WRONGPASS', 'NOAUTH', 'NOPERM', 'DENIED']);
/** More than anybody has. */
const SENTINELS_MAX = 100;
/** A node of a cluster connects within milliseconds; after this long it is down, and only its own slots fail. */
const NODE_WAIT_MS = 1000;

/** Whether the server answered with an error; every other failure came from this side. */
export function isReply(error: unknown): boolean {
  return error instanceof ReplyError;
}

/** The code word of an error reply, e.g. `READONLY`; `null` for a reply without one and for every other failure. */
export function replyCode(error: unknown): string | null {
  if (!isReply(error)) return null;
  return REPLY_CODE.exec(toError(error).message)?.[1] ?? null;
}

/**
 * The error for causes and logs: ioredis hangs the command with all arguments on it, and `AUTH` has the password as one;
 * the reply to an unknown command repeats them too.
 */
export function safeError(thrown: unknown): Error {
  const error = toError(thrown);
  const safe = new Error(error.message.replace(/,? with args beginning with: .*$/s, ''));
  safe.name = error.name;
  if (error.stack !== undefined) safe.stack = `${safe.name}: ${safe.message}${stackFrames(error.stack)}`;
  if ('code' in error && typeof error.code === 'string') Object.assign(safe, { code: error.code });
  return safe;
}

function stackFrames(stack: string): string {
  const first = stack.search(/\n\s+at /);
  return first < 0 ? '' : stack.slice(first);
}

/** Why a client cannot be used. `refused`: the server is there and said no; waiting does not help. */
export interface ConnectionFault {
  readonly refused: boolean;
  /** Goes on from "Redis ". */
  readonly message: string;
  readonly cause?: Error;
}

interface Link {
  /** Why it is down, while it is down. */
  fault: ConnectionFault | undefined;
  /** The fault is for ever: the client was ended because of it. */
  over: boolean;
  /** We ended the client. */
  closed: boolean;
  onError: ((error: Error) => void) | undefined;
  /** What sentinels said in this round of asking them; none of them gave an address. */
  sentinels: Error[];
  /** Calls that wait for a change. */
  readonly waiting: Set<() => void>;
}

const links = new WeakMap<RedisClient, Link>();

/** Follows the client's connection from now on, so that no `error` event ends the process; `onError` is called for each. */
export function watchLink(redis: RedisClient, onError?: (error: Error) => void): void {
  linkOf(redis).onError = onError;
}

/** One set of listeners per client, however many calls wait. */
function linkOf(redis: RedisClient): Link {
  const known = links.get(redis);
  if (known !== undefined) return known;
  const link: Link = {
    fault: undefined,
    over: false,
    closed: false,
    onError: undefined,
    sentinels: [],
    waiting: new Set(),
  };
  links.set(redis, link);
  const wake = () => wakeAll(link);
  const fail = (thrown: unknown) => {
    if (link.over) return;
    link.fault = sentinelFault(link.sentinels.splice(0)) ?? faultOf(thrown);
    // ioredis would go on in database 0 after a failed SELECT: other people's keys.
    if (failedCommand(thrown) === 'select') {
      link.over = true;
      redis.disconnect();
    }
    if (link.fault.cause !== undefined) link.onError?.(link.fault.cause);
    wake();
  };
  redis.on('error', fail);
  redis.on('node error', fail);
  redis.on('sentinelError', (thrown: unknown) => {
    link.sentinels = [...link.sentinels.slice(1 - SENTINELS_MAX), safeError(thrown)];
  });
  redis.on('end', wake);
  redis.on('ready', () => {
    if (!link.over) link.fault = undefined;
    link.sentinels = [];
    wake();
  });
  return link;
}

function wakeAll(link: Link): void {
  for (const resume of link.waiting) resume();
}

/** Ends the client, and whatever waits for its connection: ioredis says nothing of an end between two tries to connect. */
export function endLink(redis: RedisClient): void {
  const link = linkOf(redis);
  link.closed = true;
  redis.disconnect();
  wakeAll(link);
}

/** ioredis' own sentence around the error reply of a sentinel; for a name that it does not know there is no code word. */
const SENTINEL_REPLY = /sentinel (\S+) because (?:(ERR No such master)|([A-Z]+) )/;

/** The refusal of a sentinel that is there, where none gave an address. */
function sentinelFault(errors: readonly Error[]): ConnectionFault | null {
  for (const cause of errors) {
    const [, where, unknown, code] = SENTINEL_REPLY.exec(cause.message) ?? [];
    if (unknown !== undefined) {
      const message = `cannot be found: the sentinel ${where} knows no primary of this name; check the name at the end of the URL`;
      return { refused: true, message, cause };
    }
    if (code === undefined || !REFUSALS.has(code)) continue;
    const message = `cannot be found: the sentinel ${where} refused the credentials (${code}); give its own at the end of the URL, as ?sentinelPassword=… or ?sentinelUsername=…&sentinelPassword=…`;
    return { refused: true, message, cause };
  }
  return null;
}

function faultOf(thrown: unknown): ConnectionFault {
  // A cluster that fails as a whole tells the reason of the last node it tried.
  const inner = thrown instanceof Error && 'lastNodeError' in thrown ? thrown.lastNodeError : null;
  const error = inner ?? thrown;
  const cause = safeError(error);
  const code = replyCode(error);
  if (failedCommand(error) === 'select') {
    return { refused: true, message: `has no such database (${cause.message}); check the end of the URL`, cause };
  }
  if (code !== null && REFUSALS.has(code)) {
    return { refused: true, message: `refused the credentials (${code}); check user and password of the URL`, cause };
  }
  return { refused: false, message: cause.message, cause };
}

/** The command that an error reply answers. */
function failedCommand(error: unknown): string | null {
  if (!(error instanceof Error) || !('command' in error)) return null;
  const { command } = error;
  if (typeof command !== 'object' || command === null || !('name' in command)) return null;
  return typeof command.name === 'string' ? command.name : null;
}

/**
 * Waits until a command can be sent, at most `timeoutMs`; `null` when it can. Nothing has been sent by then, so what is
 * reported is a definite "did not happen". A refusal of the credentials or the database ends the wait at once.
 */
export async function whenReady(redis: RedisClient, timeoutMs: number): Promise<ConnectionFault | null> {
  const link = linkOf(redis);
  const endMs = performance.now() + timeoutMs;
  if (redis.status === 'wait') redis.connect().catch(() => {});
  while (link.over || link.closed || !canSend(redis)) {
    const { fault } = link;
    if (fault?.refused === true) return fault;
    if (link.closed || redis.status === 'end')
      return { refused: false, message: 'is not connected any more: the client was closed' };
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) {
      const why = fault === undefined ? '' : ` (${fault.message})`;
      return { ...fault, refused: false, message: `was not ready within ${timeoutMs} ms${why}` };
    }
    await change(link, leftMs);
  }
  // Without an offline queue a cluster refuses commands for a node that is still connecting.
  if (redis instanceof Cluster) {
    const waitMs = Math.min(NODE_WAIT_MS, endMs - performance.now());
    await Promise.all(redis.nodes('master').map((node) => whenReady(node, waitMs)));
  }
  return null;
}

function canSend(redis: RedisClient): boolean {
  if (redis.status !== 'ready') return false;
  // A connection that the server has closed is "ready" until its last event; what is sent by then is refused.
  return redis instanceof Cluster || redis.stream.writable;
}

function change(link: Link, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      link.waiting.delete(done);
      resolve();
    };
    const timer = setTimeout(done, timeoutMs);
    link.waiting.add(done);
  });
}
