/**
 * Rows of the table of settings: logs, metrics, the Pushgateway and traces.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import { COMMAND_NAMES, type CommandName, type SettingSpec } from './spec.ts';

const ALL: readonly CommandName[] = COMMAND_NAMES;

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
    group: 'Worker',
    commands: ['worker'],
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
