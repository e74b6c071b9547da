/**
 * Rows of the table of settings: the console in the browser. Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { SettingSection } from './spec.ts';

export const CONSOLE_ROWS = [
  {
    group: 'Console',
    commands: ['console'],
    rows: {
      consoleListen: {
        env: 'S3COMPACT_CONSOLE_LISTEN',
        flag: 'listen',
        unit: 'text',
        pattern: /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):\d{1,5}$/,
        allowed: 'an address and a port, such as 127.0.0.1:9401 or [::1]:9401',
        default: '127.0.0.1:9401',
        meaning:
          'Where the console listens; port 0 takes a free one. Without S3COMPACT_CONSOLE_TOKEN only addresses of this machine itself.',
      },
      consoleActions: {
        env: 'S3COMPACT_CONSOLE_ALLOW_ACTIONS',
        flag: 'allow-actions',
        unit: 'switch',
        unset: 'false',
        meaning:
          'Whether whoever has logged in at the console may have it do something: compact now, pause, resume, release from quarantine, hold. Needs S3COMPACT_CONSOLE_TOKEN.',
      },
      consolePrometheus: {
        env: 'S3COMPACT_CONSOLE_PROMETHEUS',
        flag: 'prometheus',
        unit: 'url',
        unset: 'no link',
        meaning:
          'Where the long history is, Prometheus or the dashboard in Grafana: the overview of the console links to it. The browser asks it only when somebody follows the link.',
      },
    },
  },
] as const satisfies readonly SettingSection[];

/** A secret: only in the environment, since flags show in process lists and settings files are copied. */
export const CONSOLE_TOKEN = 'S3COMPACT_CONSOLE_TOKEN';
