/**
 * The metrics and the readiness of a pod: its own, those of its processes added up, and the server that serves them. It
 * only wires; names are in the table of metrics (`src/observe/metric-table.ts`).
 */
import { endsWithin } from '../src/clock.ts';
import { CompactError, toError } from '../src/errors.ts';
import { aggregateRegistry } from '../src/observe/aggregate.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { type MetricsServer, startMetricsServer } from '../src/observe/metrics-server.ts';
import { type Readiness, readinessOf } from '../src/observe/readiness.ts';
import type { WorkClients } from '../src/wiring/work-clients.ts';
import { podSources } from './pod-sources.ts';
import type { RunningPool } from './processes/process-group.ts';
import type { ProcessSnapshot, RunningWorker } from './running.ts';

/** How long a server may take to answer a question of /readyz: the kubelet's own time-out is often 1 s, seldom over 5. */
const QUESTION_TIMEOUT_MS = 800;

export interface PodMetrics extends MetricsServer {
  /** From now on these processes are asked, too. Before, the pod is not ready. */
  watch(worker: RunningWorker): void;
}

/** `null` when no port is set. Throws `settings-invalid` (halt) when the port cannot be had. */
export async function startMetrics(clients: WorkClients, log: Logger, version: string): Promise<PodMetrics | null> {
  const { metricsPort } = clients.settings;
  if (metricsPort === 0) return null;
  const pod = new Pod(clients, log, version);
  const server = await startMetricsServer(pod, metricsPort).catch((error: unknown) => {
    throw new CompactError(
      `S3COMPACT_METRICS_PORT: port ${metricsPort} cannot be listened on (${toError(error).message}); choose another`,
      { kind: 'halt', code: 'settings-invalid', cause: error },
    );
  });
  log.info({ event: LOG_EVENTS.metricsStarted, port: server.port }, 'metrics are reported at /metrics');
  return {
    ...server,
    watch: (worker) => {
      pod.worker = worker;
    },
  };
}

class Pod {
  worker: RunningWorker | undefined;
  readonly #clients: WorkClients;
  readonly #metrics: Metrics;
  #serving: Promise<string> | undefined;

  constructor(clients: WorkClients, log: Logger, version: string) {
    this.#clients = clients;
    const { processes } = clients.settings;
    this.#metrics = new Metrics({
      version,
      scopes: ['pod'],
      // A worker alone reports its process by itself; the main process of a pool does not work, and is reported here.
      defaults: processes > 1,
      onSourceError: (source, err) =>
        log.warn({ event: LOG_EVENTS.metricLost, source, err }, 'a source of metrics could not be asked'),
    });
    this.#metrics.set('s3compact_worker_processes_wanted', processes);
    this.#metrics.set('s3compact_total_limit_bytes_per_second', clients.settings.totalBytesPerSecond);
    this.#metrics.set('s3compact_total_limit_jobs', clients.settings.totalJobs);
    for (const source of podSources(clients)) this.#metrics.addSource(source);
  }

  /** Scrapes that come at the same time get the same text. */
  text(): Promise<string> {
    this.#serving ??= this.#text().finally(() => {
      this.#serving = undefined;
    });
    return this.#serving;
  }

  async #text(): Promise<string> {
    const snapshots = await this.#snapshots();
    const [readiness] = await Promise.all([this.#readiness(snapshots), this.#metrics.refresh()]);
    for (const [part, { ready }] of Object.entries(readiness.parts))
      this.#metrics.set('s3compact_ready', ready ? 1 : 0, { part });
    this.#reportPool(snapshots);
    const pod = await this.#metrics.registry.getMetricsAsJSON();
    const parts = this.#pool?.metrics ?? snapshots.flatMap(({ metrics }) => (metrics === undefined ? [] : [metrics]));
    return aggregateRegistry([pod, ...parts]).metrics();
  }

  async readiness(): Promise<Readiness> {
    return this.#readiness(await this.#snapshots());
  }

  get #pool(): RunningPool | undefined {
    return this.worker !== undefined && 'restarts' in this.worker ? (this.worker as RunningPool) : undefined;
  }

  async #snapshots(): Promise<readonly ProcessSnapshot[]> {
    return (await this.worker?.snapshots()) ?? [];
  }

  #reportPool(snapshots: readonly ProcessSnapshot[]): void {
    const up = snapshots.filter(({ metrics }) => metrics !== undefined).length;
    this.#metrics.set('s3compact_worker_processes', up);
    for (const [reason, count] of Object.entries(this.#pool?.restarts ?? {}))
      this.#metrics.countTo('s3compact_worker_restarts_total', count, { reason });
  }

  async #readiness(snapshots: readonly ProcessSnapshot[]): Promise<Readiness> {
    const { ledger, metadata } = this.#clients;
    const [queue, service] = await Promise.all([
      faultOf(ledger.nowMs(), 'queue-unavailable'),
      faultOf(metadata.getFilesystem(0), 'metadata-unavailable'),
    ]);
    return readinessOf({
      processes: snapshots.map(({ pid, notReady }) => ({ pid, notReady })),
      faults: {
        queue: queue ? "the queue's Redis did not answer" : undefined,
        metadata: service ? 'the metadata service did not answer' : undefined,
      },
    });
  }
}

/** Whether the answer is late, or a failure of this code; every other failure is an answer, too. */
async function faultOf(answer: Promise<unknown>, code: string): Promise<boolean> {
  let fault = false;
  const settled = answer.then(
    () => undefined,
    (error: unknown) => {
      fault = error instanceof CompactError && error.code === code;
    },
  );
  return !(await endsWithin(settled, QUESTION_TIMEOUT_MS)) || fault;
}
