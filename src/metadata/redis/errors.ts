/**
 * What a failed call to the metadata Redis means for the caller: here "did not happen" and "may have happened" part. An error
 * reply with a code from this table was given instead of the work; anything else, a time-out, a closed connection, a code that
 * nobody knows, tells nothing about a request that was sent.
 */
import { CompactError, type ErrorKind } from '../../errors.ts';
import { type ConnectionFault, isReply, replyCode, safeError } from '../../redis/link.ts';

interface Meaning {
  readonly kind: ErrorKind;
  /** What is the matter and what to do; goes on from "Redis refused …: ". */
  readonly advice: string;
}

const REPLIES: Readonly<Record<string, Meaning>> = {
  READONLY: { kind: 'halt', advice: 'it is a read-only replica; give METADATA_URL the primary' },
  NOPERM: {
    kind: 'halt',
    advice: 'this user lacks a permission; grant it @read, @write and @scripting on its keys (JuiceFS: +time, too)',
  },
  NOAUTH: { kind: 'halt', advice: 'it wants credentials; give METADATA_URL a user and password' },
  WRONGPASS: { kind: 'halt', advice: 'the credentials were refused; check those in METADATA_URL' },
  MOVED: { kind: 'halt', advice: 'it is a node of a cluster; write METADATA_URL as redis+cluster://' },
  LOADING: { kind: 'retry', advice: 'it is still loading its data' },
  BUSY: { kind: 'retry', advice: "it is busy with somebody's long script" },
  OOM: { kind: 'retry', advice: 'its memory is full; raise maxmemory or remove data' },
  CLUSTERDOWN: { kind: 'retry', advice: 'the cluster is down or the slot has no node' },
  TRYAGAIN: { kind: 'retry', advice: 'the slot is moving to another node' },
  ASK: { kind: 'retry', advice: 'the slot is moving to another node' },
  MASTERDOWN: { kind: 'retry', advice: 'it is a replica that lost its primary' },
  MISCONF: { kind: 'retry', advice: 'it cannot save its data to disk; see its log' },
  NOREPLICAS: { kind: 'retry', advice: 'too few replicas are connected' },
  NOSCRIPT: { kind: 'retry', advice: 'it keeps forgetting our scripts' },
};

/** A client that cannot be used: nothing was sent. */
export function notSent(fault: ConnectionFault): CompactError {
  return new CompactError(`the metadata Redis ${fault.message}; nothing was changed`, {
    ...(fault.refused ? REFUSED : UNAVAILABLE),
    cause: fault.cause,
  });
}

const REFUSED = { kind: 'halt', code: 'metadata-refused' } as const;
const UNAVAILABLE = { kind: 'retry', code: 'metadata-unavailable' } as const;

/** The failure of a request that the server turned down before it changed anything, or `null` when that is not certain. */
export function definiteNo(error: unknown, redisKey: string): CompactError | null {
  const code = replyCode(error);
  if (code === 'WRONGTYPE') return wrongType(redisKey);
  const meaning = code === null ? undefined : REPLIES[code];
  if (meaning === undefined) return null;
  const { code: errorCode } = meaning.kind === 'halt' ? REFUSED : UNAVAILABLE;
  return new CompactError(
    `the metadata Redis refused the request for ${redisKey} with ${code}: ${meaning.advice}; nothing was changed`,
    { kind: meaning.kind, code: errorCode, cause: safeError(error) },
  );
}

/** Any failure of a call that may simply be made again. */
export function callFailed(error: unknown, redisKey: string): CompactError {
  const definite = definiteNo(error, redisKey);
  if (definite !== null) return definite;
  const cause = safeError(error);
  if (!isReply(error)) {
    const what = `the metadata Redis did not answer for ${redisKey} (${cause.message})`;
    return new CompactError(what, { ...UNAVAILABLE, cause });
  }
  const what = `the metadata Redis refused the request for ${redisKey} (${cause.message}); nothing was changed`;
  return new CompactError(what, { ...REFUSED, cause });
}

/** The hash of a file system; every other key is an inode's. */
const FILESYSTEM_KEY = /\{\d+\}$/;

/** A key of another type than the format says: damage of this inode, or of this file system, not of the server. */
export function wrongType(redisKey: string, found?: string, expected = 'thing'): CompactError {
  const is = found === undefined ? 'is of another type than the metadata format says (WRONGTYPE)' : `is a ${found}`;
  const but = found === undefined ? '' : `, but the metadata format has a ${expected} there`;
  return new CompactError(
    `the key ${redisKey} ${is}${but}; restore it, or check METADATA_PREFIX; nothing was changed`,
    { kind: 'halt', code: FILESYSTEM_KEY.test(redisKey) ? 'filesystem-malformed' : 'inode-malformed' },
  );
}
