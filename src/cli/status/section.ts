/**
 * What every section of the status page has in common: its form, and how a long list is cut. It stands alone so that a
 * section needs no other. It knows nothing of what is shown.
 */

import type { StatusReport } from '../../view/status-report.ts';
import { count } from '../../view/words.ts';
import type { TextStyle } from '../table.ts';

/** Empty text: there is nothing to show. */
export type Section = (report: StatusReport, style: StatusStyle) => string;

export interface StatusStyle extends TextStyle {
  /** Rows of each list; the rest is counted. */
  readonly rowsMax: number;
}

/** Beside numbers that are of all, where one file system was asked for. */
export function ofAll({ fsId }: StatusReport): string {
  return fsId === null ? '' : ' of all file systems';
}

/** What is said below a list that was cut. */
export function moreText(total: number, { rowsMax }: StatusStyle): string {
  return total <= rowsMax ? '' : `\n and ${count(total - rowsMax)} more`;
}
