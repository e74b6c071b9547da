/**
 * Rows of the table of settings: logs, metrics, the Pushgateway and traces.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import { COMMAND_NAMES, type CommandName, type SettingSpec } from './spec.ts';

const ALL: readonly CommandName[] = COMMAND_NAMES;
/** Commands that end, and whose counts would be gone before a scrape. */
const JOBS: readonly CommandName[] = ['run', 'scan', 'reap'];

export const OBSERVE_ROWS = [
  {
    key: 'metricsPort',
    env: 'S3COMPACT_METRICS_PORT',
    flag: 'metrics-port',
    unit: 'count',
    default: '0',
    min: '0',
    max: '65535',
    meaning: 'Port of /metrics, /healthz and /readyz, on all addresses; 0 means none.',
    group: 'Metrics',
    commands: ['worker', 'run'],
  },
  {
    key: 'pushgatewayUrl',
    env: 'S3COMPACT_PUSHGATEWAY_URL',
    flag: 'pushgateway-url',
    unit: 'url',
    unset: 'nothing is pushed',
    meaning:
      'A Prometheus Pushgateway that gets the metrics of a command when it ends. A push that fails is a warning. Prefer the environment where the URL holds a password.',
    group: 'Metrics',
    commands: JOBS,
  },
  {
    key: 'pushJob',
    env: 'S3COMPACT_PUSH_JOB',
    flag: 'push-job',
    unit: 'text',
    pattern: /^[A-Za-z0-9_.-]{1,64}$/,
    allowed: '1 to 64 letters, digits and _ . -',
    default: 's3compact',
    meaning: 'The label job of what is pushed; command and filesystem are the rest of its group.',
    group: 'Metrics',
    commands: JOBS,
  },
  {
    key: 'pushInstance',
    env: 'S3COMPACT_PUSH_INSTANCE',
    flag: 'push-instance',
    unit: 'text',
    pattern: /^[A-Za-z0-9_.-]{1,253}$/,
    allowed: '1 to 253 letters, digits and _ . -',
    unset: 'no such label: a push replaces the one before',
    meaning:
      'A label instance for what is pushed, where several jobs of one file system run at a time (a completion index, say). A name that is new each time, as that of a pod, leaves a group behind each time.',
    group: 'Metrics',
    commands: JOBS,
  },
  {
    key: 'logLevel',
    env: 'S3COMPACT_LOG_LEVEL',
    flag: 'log-level',
    unit: 'choice',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
    meaning: 'Least severe level that is logged, to standard error, as JSON lines.',
    group: 'Logs',
    commands: ALL,
  },
] as const satisfies readonly SettingSpec[];
