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

/** Asks one question; what it throws is a failed check. */
export type Ask = (check: string, question: () => Promise<Check>) => Promise<Check>;

/** `onCheck` is called with each question before it is asked. */
export function asking(onCheck: (check: string) => void): Ask {
  return async (check, question) => {
    onCheck(check);
    try {
      return await question();
    } catch (error) {
      return failed(check, error);
    }
  };
}

export function ok(check: string, found: string): Check {
  return { check, status: 'ok', found };
}

/** `before`: the check without which this one has nothing to ask; `service`: whom that one asked. */
export function notAsked(check: string, before: Check, service: string): Check {
  const why = before.mayPass === true ? `the ${service} did not answer` : 'no file system to ask about was found';
  return { check, status: 'unknown', found: `not asked: ${why}` };
}

function failed(check: string, thrown: unknown): Check {
  if (!(thrown instanceof CompactError)) throw toError(thrown);
  return { check, status: 'failed', found: thrown.message, mayPass: thrown.kind === 'retry' };
}
