/**
 * Rows of the table of settings: what a process and the whole pool may use: bytes and requests a second, jobs, processes.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { SettingSpec } from './spec.ts';

export const LIMIT_ROWS = [] as const satisfies readonly SettingSpec[];
