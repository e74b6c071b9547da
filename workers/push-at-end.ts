/**
 * From a command that ends to the Pushgateway: what is pushed, and under which group. It only wires; a push that fails is
 * a warning and changes nothing about the command.
 */

import type { Settings } from '../src/config/index.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { pushMetrics } from '../src/observe/push.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';
import type { RunningPool } from './processes/process-group.ts';
import type { RunningWorker } from './running.ts';

interface PushedJob {
  /** `run`, `scan` or `reap`. */
  readonly command: string;
  readonly version: string;
  readonly fsId?: number;
  /** A pool that worked for the command, and has ended; a worker of this process is counted anyway. */
  readonly worker?: RunningWorker;
}

/** Pushes what this process, and the processes of a pool, have counted; does nothing where no gateway is set. */
export async function pushAtEnd(clients: WorkClients, log: Logger, job: PushedJob): Promise<void> {
  const { settings, observer } = clients;
  const { pushgatewayUrl: url, pushJob } = settings;
  if (url === undefined || observer.metrics === undefined) return;
  const pod = await new Metrics({ version: job.version, scopes: ['pod'], defaults: false }).registry.getMetricsAsJSON();
  // What only a living pod can tell (queues, quarantine) stays out: it would stand still in the gateway.
  const build = pod.filter(({ name }) => name === 's3compact_build_info');
  const others = (job.worker as Partial<RunningPool> | undefined)?.metrics ?? [];
  const parts = [build, await observer.metrics.json(), ...others];
  const fault = await pushMetrics(parts, { url, job: pushJob, group: groupOf(settings, job) });
  if (fault === undefined) log.debug({ event: LOG_EVENTS.metricsPushed, url }, 'the metrics were pushed');
  else log.warn({ event: LOG_EVENTS.metricsNotPushed, url, reason: fault }, 'the metrics could not be pushed');
}

function groupOf({ pushInstance }: Settings, { command, fsId }: PushedJob): Record<string, string> {
  return {
    command,
    ...(fsId === undefined ? {} : { filesystem: `${fsId}` }),
    ...(pushInstance === undefined ? {} : { instance: pushInstance }),
  };
}
