/**
 * What one question of `s3compact doctor` found: the words that the command and all its checks share. It stands alone so
 * that those who ask need not know each other. It must hold no check.
 */
import { CompactError, toError } from '../errors.ts';

/** `unknown`: it could not be asked, because something before it failed. */
export type CheckStatus = 'ok' | 'warning' | 'failed' | 'unknown';

export interface Check {
  readonly check: string;
  readonly status: CheckStatus;
  /** What was found. */
  readonly found: string;
  /** What to do. */
  readonly advice?: string;
  /** Of a failure that may pass. */
  readonly mayPass?: boolean;
}

export async function asked(check: string, ask: () => Promise<Check>): Promise<Check> {
  try {
    return await ask();
  } catch (error) {
    return failed(check, error);
  }
}

export function ok(check: string, found: string): Check {
  return { check, status: 'ok', found };
}

export function notAsked(check: string): Check {
  return { check, status: 'unknown', found: 'not asked, since there is no such file system to ask about' };
}

export function failed(check: string, thrown: unknown): Check {
  if (!(thrown instanceof CompactError)) throw toError(thrown);
  return { check, status: 'failed', found: thrown.message, mayPass: thrown.kind === 'retry' };
}
