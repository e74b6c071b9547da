/**
 * What one question of `s3compact doctor` found: the words that the command and all its checks share. It stands alone so
 * that those who ask need not know each other. It must hold no check.
 */

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
