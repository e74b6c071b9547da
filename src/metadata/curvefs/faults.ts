/**
 * From what went wrong on the wire to what the port promises: CompactError with a kind that says what to do. Apart from
 * the clients because the same failure of an MDS and of a metaserver must be reported alike. It decides no retries.
 */

import { CompactError } from '../../errors.ts';
import { printInodeKey } from '../../format.ts';
import type { InodeKey } from '../../model.ts';
import { RpcFault } from './rpc-fault.ts';

/** Nothing is known to have happened; the same call may succeed later. */
export function unavailable(what: string, cause?: unknown): CompactError {
  return new CompactError(what, { kind: 'retry', code: 'metadata-unavailable', cause });
}

/** The servers answered and said no, or are none: a person has to look. */
export function refused(what: string, cause?: unknown): CompactError {
  return new CompactError(what, { kind: 'halt', code: 'metadata-refused', cause });
}

export function inodeMalformed(key: InodeKey, what: string): CompactError {
  return new CompactError(`inode ${printInodeKey(key)}: ${what}; nothing was changed`, {
    kind: 'halt',
    code: 'inode-malformed',
    inode: key,
  });
}

export function filesystemMalformed(fsId: number, what: string): CompactError {
  return new CompactError(`file system ${fsId} ${what}`, { kind: 'halt', code: 'filesystem-malformed' });
}

/** A thrown value that is no RpcFault is a mistake in this program: it goes on as it is. */
export function asFault(thrown: unknown): RpcFault {
  if (thrown instanceof RpcFault) return thrown;
  throw thrown;
}
