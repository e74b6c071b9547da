/**
 * Rows of the table of settings: what a process and the whole pool may use: bytes and requests a second, jobs, processes.
 * Rows only; `table.ts` joins them. It must hold no logic.
 */
import type { CommandName, SettingSpec } from './spec.ts';

const WORKER: readonly CommandName[] = ['worker'];

export const LIMIT_ROWS = [
  {
    key: 'processes',
    env: 'S3COMPACT_PROCESSES',
    flag: 'processes',
    unit: 'count',
    default: '1',
    min: '1',
    max: '128',
    meaning:
      'Worker processes. With 1 the command does the work itself; with more it keeps that many running, a core each, every one with its own --concurrency and --memory.',
    group: 'Worker',
    commands: WORKER,
  },
  {
    key: 'processMemoryBytes',
    env: 'S3COMPACT_PROCESS_MEMORY',
    flag: 'process-memory',
    unit: 'size',
    default: '0',
    min: '0',
    max: '1TiB',
    meaning:
      "With several processes: the JavaScript heap of each; one that needs more ends and is started again. Buffers (--memory) come on top. 0 leaves it to Node.js, which sees the pod's limit but not its neighbours.",
    group: 'Worker',
    commands: WORKER,
  },
] as const satisfies readonly SettingSpec[];
