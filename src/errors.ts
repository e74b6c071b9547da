/**
 * The one error class. Its `kind` says what the caller must do, its `code` says what happened, its message says
 * to which inode and what the operator can do. Adapters classify by their library's codes; nobody matches words.
 * It stands alone so that policy never has to know a library's errors. It must never carry a secret.
 */
import type { InodeKey } from './model.ts';

/** retry: the same work may succeed later. halt: only a person can help. */
export type ErrorKind = 'retry' | 'halt';

/** Every code there is; metrics have a series for each. */
export const ERROR_CODES = [
  'filesystem-missing',
  'filesystem-malformed',
  'inode-missing',
  'inode-malformed',
  'inode-not-s3',
  'inode-unlinked',
  'inode-busy',
  'record-malformed',
  'list-invalid',
  'lists-missing',
  'object-missing',
  'object-short',
  'object-damaged',
  'object-collision',
  'bucket-missing',
  'bucket-owned',
  'held',
  'access-denied',
  'store-refused',
  'store-unavailable',
  'metadata-unavailable',
  'metadata-refused',
  'queue-unavailable',
  'queue-unfit',
  'lease-expired',
  'cancelled',
  'process-died',
  'settings-invalid',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Codes that say the inode itself is damaged or incomplete: work on it stops, everything else goes on. */
const QUARANTINE_AT_ONCE: ReadonlySet<ErrorCode> = new Set([
  'record-malformed',
  'list-invalid',
  'inode-malformed',
  'object-damaged',
  'object-collision',
]);
const QUARANTINE_AFTER_RETRIES: ReadonlySet<ErrorCode> = new Set(['object-missing', 'object-short']);

interface CompactErrorOptions {
  readonly kind: ErrorKind;
  readonly code: ErrorCode;
  readonly inode?: InodeKey;
  readonly cause?: unknown;
  /** The other side said when to come back, ms from now. */
  readonly retryAfterMs?: number;
}

/** A failure with a required action. The message is a full sentence for the operator. */
export class CompactError extends Error {
  readonly kind: ErrorKind;
  readonly code: ErrorCode;
  readonly inode: InodeKey | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: CompactErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CompactError';
    this.kind = options.kind;
    this.code = options.code;
    this.inode = options.inode;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The same failure reported with the inode it happened to, if that was not known where it was thrown. */
  withInode(inode: InodeKey): CompactError {
    if (this.inode !== undefined) return this;
    const { kind, code, retryAfterMs, cause = this } = this;
    const message = `inode ${inode.fsId}/${inode.inodeId}: ${this.message}`;
    return new CompactError(message, { kind, code, inode, cause, retryAfterMs });
  }
}

/** Work that its caller withdrew; the message says what has not happened. */
export function cancelled(message: string, cause?: unknown): CompactError {
  return new CompactError(message, { kind: 'retry', code: 'cancelled', cause });
}

/** Throws `cancelled` when the signal has aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined, message: string): void {
  if (signal?.aborted === true) throw cancelled(message);
}

/** Whether a failure stops work on the inode: `now`, `after-retries`, or `never` (the fault is elsewhere). */
export function quarantineRule(code: ErrorCode): 'now' | 'after-retries' | 'never' {
  if (QUARANTINE_AT_ONCE.has(code)) return 'now';
  return QUARANTINE_AFTER_RETRIES.has(code) ? 'after-retries' : 'never';
}

/** The one of two failures that says more against the inode, the first where they are equal; `undefined` when neither does. */
export function moreSevere(first: CompactError | undefined, second: CompactError): CompactError | undefined {
  const rule = quarantineRule(second.code);
  if (first === undefined) return rule === 'never' ? undefined : second;
  return rule === 'now' && quarantineRule(first.code) !== 'now' ? second : first;
}

/** An object that is missing or short: as a rule its upload is late, and only the chunk that needs it has to wait. */
export function isMissingObject(error: CompactError): boolean {
  return error.code === 'object-missing' || error.code === 'object-short';
}

/** Any thrown value as an Error, for logs and causes. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
