/**
 * Why a remote call gave no reply. What the caller must know of every failure is whether the request may have been
 * carried out: `sent` is false only where it certainly was not handed to the socket. It must never carry a payload.
 */

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

/** brpc's error codes (errno.proto) and Linux's that servers answer with. */
export const RPC_CODES = {
  /** CliService2: this server does not keep the copyset. */
  noEntry: 2,
  /** CliService2: an election is on. */
  tryAgain: 11,
  noService: 1001,
  noMethod: 1002,
  badRequest: 1003,
  auth: 1004,
  overcrowded: 1011,
  internal: 2001,
  badResponse: 2002,
  loggingOff: 2003,
  limit: 2004,
} as const;

/** Codes with which a server says that it has not begun to carry the request out. */
const NOT_BEGUN: ReadonlySet<number> = new Set([
  ...[RPC_CODES.noService, RPC_CODES.noMethod, RPC_CODES.badRequest, RPC_CODES.auth],
  ...[RPC_CODES.overcrowded, RPC_CODES.loggingOff, RPC_CODES.limit],
]);

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
