/**
 * Rows of the table of settings: how a CurveFS cluster is talked to, and when its files are left alone.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { SettingSpec } from './spec.ts';

export const CURVEFS_ROWS = [] as const satisfies readonly SettingSpec[];
