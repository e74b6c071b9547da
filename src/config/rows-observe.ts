/**
 * Rows of the table of settings: logs, metrics, the Pushgateway and traces.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import { COMMAND_NAMES, type CommandName, type SettingSection } from './spec.ts';

const ALL: readonly CommandName[] = COMMAND_NAMES;
/** Commands that end, and whose counts would be gone before a scrape. */
const JOBS: readonly CommandName[] = ['run', 'scan', 'reap'];

export const OBSERVE_ROWS = [
  {
    group: 'Metrics',
    commands: JOBS,
    rows: {
      metricsPort: {
        env: 'S3COMPACT_METRICS_PORT',
        unit: 'count',
        default: '0',
        range: ['0', '65535'],
        meaning: 'Port of /metrics, /healthz and /readyz, on all addresses; 0 means none.',
        commands: ['worker', 'run'],
      },
      pushgatewayUrl: {
        env: 'S3COMPACT_PUSHGATEWAY_URL',
        unit: 'url',
        unset: 'nothing is pushed',
        meaning:
          'A Prometheus Pushgateway that gets the metrics of a command when it ends. A push that fails is a warning. Prefer the environment where the URL holds a password.',
      },
      pushJob: {
        env: 'S3COMPACT_PUSH_JOB',
        unit: 'text',
        pattern: /^[A-Za-z0-9_.-]{1,64}$/,
        allowed: '1 to 64 letters, digits and _ . -',
        default: 's3compact',
        meaning: 'The label job of what is pushed; command and filesystem are the rest of its group.',
      },
      pushInstance: {
        env: 'S3COMPACT_PUSH_INSTANCE',
        unit: 'text',
        pattern: /^[A-Za-z0-9_.-]{1,253}$/,
        allowed: '1 to 253 letters, digits and _ . -',
        unset: 'no such label: a push replaces the one before',
        meaning:
          'A label instance for what is pushed, where several jobs of one file system run at a time (a completion index, say). A name that is new each time, as that of a pod, leaves a group behind each time.',
      },
    },
  },
  {
    group: 'Logs',
    commands: ALL,
    rows: {
      logLevel: {
        env: 'S3COMPACT_LOG_LEVEL',
        unit: 'choice',
        choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
        default: 'info',
        meaning: 'Least severe level that is logged, to standard error, as JSON lines.',
      },
    },
  },
] as const satisfies readonly SettingSection[];
