/**
 * What one question of `s3compact doctor` found: the words that the command and all its checks share, and the one question that
 * both layouts of files have. It stands alone so that those who ask need not know each other.
 */
import { CompactError, toError } from '../errors.ts';
import type { FitOptions } from '../redis/client.ts';
import type { RedisTarget } from '../urls/redis.ts';

/** `unknown`: it could not be asked, because something before it failed. */
export type CheckStatus = 'ok' | 'warning' | 'failed' | 'unknown';

export interface Found {
  readonly status: CheckStatus;
  /** What was found. */
  readonly found: string;
  /** What to do. */
  readonly advice?: string;
  /** Of a failure that may pass. */
  readonly mayPass?: boolean;
}

export interface Check extends Found {
  readonly check: string;
}

/** Asks one question; what it throws is a failed check. */
export type Ask = (check: string, question: () => Promise<Found>) => Promise<Check>;

/** `onCheck` is called with each question before it is asked. */
export function asking(onCheck: (check: string) => void): Ask {
  return async (check, question) => {
    onCheck(check);
    try {
      return { check, ...(await question()) };
    } catch (error) {
      return { check, ...failureFound(error) };
    }
  };
}

export const ok = (found: string): Found => ({ status: 'ok', found });
export const warning = (found: string, advice: string): Found => ({ status: 'warning', found, advice });
export const failed = (found: string, advice: string): Found => ({ status: 'failed', found, advice });

/** Throws what is a fault of ours. */
export function failureFound(thrown: unknown): Found {
  if (!(thrown instanceof CompactError)) throw toError(thrown);
  return { status: 'failed', found: thrown.message, mayPass: thrown.kind === 'retry' };
}

/** `before`: the check without which this one has nothing to ask; `service`: whom that one asked. */
export function notAsked(check: string, before: Check, service: string): Check {
  const why = before.mayPass === true ? `the ${service} did not answer` : 'no file system to ask about was found';
  return { check, status: 'unknown', found: `not asked: ${why}` };
}

export async function redisFound(url: string | RedisTarget, options: FitOptions): Promise<Found> {
  const { checkRedisUrl } = await import('../wiring/primaries.ts');
  const warnings = await checkRedisUrl(url, options);
  const found = `the ${options.name} Redis answers, is recent enough and throws no keys away`;
  return warnings.length === 0 ? ok(found) : warning(found, warnings.join('; '));
}
