/**
 * What a pool and its processes say to each other: the one place with the words, so that both ends agree. Plain JSON over
 * the channel of `fork`: settings with passwords go this way, never over a command line.
 */
import type { Settings } from '../../src/config/index.ts';
import type { ErrorCode, ErrorKind } from '../../src/errors.ts';
import type { ProcessSnapshot } from '../running.ts';

/** From the pool to a process. */
export type PoolOrder =
  | { readonly kind: 'start'; readonly settings: Settings; readonly slot: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'abort' }
  | { readonly kind: 'ask'; readonly id: number };

/** From a process to the pool. */
export type PoolAnswer =
  | { readonly kind: 'started' }
  | {
      readonly kind: 'refused';
      readonly error: { readonly kind: ErrorKind; readonly code: ErrorCode; readonly message: string };
    }
  | { readonly kind: 'snapshot'; readonly id: number; readonly snapshot: ProcessSnapshot };
