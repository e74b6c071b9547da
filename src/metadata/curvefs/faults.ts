/**
 * Why a remote call gave no reply (RpcFault), and what the port promises of that (CompactError). What must be known of every
 * failure is whether the request may have been carried out: `sent` is false only where it certainly was not handed to the
 * socket. It decides no retries, and must never carry a payload.
 */
import { CompactError } from '../../errors.ts';
import { printInodeKey } from '../../format.ts';
import type { InodeKey } from '../../model.ts';

/**
 * connect: no connection. timeout: no reply in time. closed: the connection went away. protocol: what answers is no
 * server of this kind, or its reply cannot be read. refused: the server answered with an error code. too-large: the
 * request is larger than servers take. busy: too many calls wait here already.
 */
export type RpcFaultKind = 'connect' | 'timeout' | 'closed' | 'protocol' | 'refused' | 'too-large' | 'busy';

interface RpcFaultOptions {
  readonly kind: RpcFaultKind;
  /** Whether the request may have reached the server. */
  readonly sent: boolean;
  /** brpc's or the system's number, of a `refused`. */
  readonly errorCode?: number;
  readonly cause?: unknown;
}

export class RpcFault extends Error {
  readonly kind: RpcFaultKind;
  readonly sent: boolean;
  readonly errorCode: number | undefined;

  constructor(message: string, options: RpcFaultOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RpcFault';
    this.kind = options.kind;
    this.sent = options.sent;
    this.errorCode = options.errorCode;
  }
}

/** brpc's error codes (errno.proto) with which a server says that it has not begun to carry the request out. */
export const RPC_CODES = {
  noService: 1001,
  noMethod: 1002,
  badRequest: 1003,
  auth: 1004,
  overcrowded: 1011,
  loggingOff: 2003,
  limit: 2004,
} as const;
const NOT_BEGUN: ReadonlySet<number> = new Set(Object.values(RPC_CODES));

/** Whether the request behind this failure may have been, or may yet be, carried out. */
export function mayHaveHappened(fault: RpcFault): boolean {
  if (fault.kind === 'refused' && fault.errorCode !== undefined) return !NOT_BEGUN.has(fault.errorCode);
  return fault.sent;
}

/** Whether the server is one of another kind: no use in asking it again, a person has to look at the address. */
export function wrongServer(fault: RpcFault): boolean {
  if (fault.kind === 'refused')
    return fault.errorCode === RPC_CODES.noService || fault.errorCode === RPC_CODES.noMethod;
  return fault.kind === 'protocol';
}

/** Nothing is known to have happened; the same call may succeed later. */
export function unavailable(what: string, cause?: unknown): CompactError {
  return new CompactError(what, { kind: 'retry', code: 'metadata-unavailable', cause });
}

/** The servers answered and said no, or are none: a person has to look. */
export function refused(what: string, cause?: unknown): CompactError {
  return new CompactError(what, { kind: 'halt', code: 'metadata-refused', cause });
}

export function inodeMalformed(key: InodeKey, what: string): CompactError {
  const message = `inode ${printInodeKey(key)}: ${what}; nothing was changed`;
  return new CompactError(message, { kind: 'halt', code: 'inode-malformed', inode: key });
}

export function filesystemMalformed(fsId: number, what: string): CompactError {
  return new CompactError(`file system ${fsId} ${what}`, { kind: 'halt', code: 'filesystem-malformed' });
}

/** A thrown value that is no RpcFault is a mistake in this program: it goes on as it is. */
export function asFault(thrown: unknown): RpcFault {
  if (thrown instanceof RpcFault) return thrown;
  throw thrown;
}
