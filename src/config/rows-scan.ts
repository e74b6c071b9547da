/**
 * Rows of the table of settings: walking a file system, feeding the queue, and what a whole run may spend.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { SettingSpec } from './spec.ts';

export const SCAN_ROWS = [] as const satisfies readonly SettingSpec[];
