/**
 * Rows of the table of settings: the console in the browser. Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { SettingSpec } from './spec.ts';

export const CONSOLE_ROWS = [
  {
    key: 'consoleListen',
    env: 'S3COMPACT_CONSOLE_LISTEN',
    flag: 'listen',
    unit: 'text',
    pattern: /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):\d{1,5}$/,
    allowed: 'an address and a port, such as 127.0.0.1:9401 or [::1]:9401',
    default: '127.0.0.1:9401',
    meaning:
      'Where the console listens; port 0 takes a free one. Only addresses of this machine itself: it has no log-in.',
    group: 'Console',
    commands: ['console'],
  },
] as const satisfies readonly SettingSpec[];
