/**
 * A Prometheus for tests, on a free loopback port, with its data in a temporary directory: `prometheus` from Debian's
 * package, `promtool` beside it, and a Pushgateway. It stands alone so that everyone scrapes and asks in the same way and leaves nothing
 * behind. There is no embedded one: tests that need it are skipped where it is not installed, unless real servers are
 * required. It must not be used by src/ or workers/.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { findProgram, spawnGuarded, withAttempts } from './guarded.ts';

/** Up within a second; this is for a machine under heavy load. */
const START_DEADLINE_MS = 30_000;
const ANSWER_DEADLINE_MS = 10_000;
const POLL_MS = 100;

/** One series of an instant query. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface PrometheusService {
  readonly url: string;
  readonly version: string;
  /** An instant query; throws with Prometheus' own words when it is not one. */
  query(expression: string): Promise<readonly Sample[]>;
  /** The value of a query that has one result; `NaN` when it has none. */
  value(expression: string): Promise<number>;
  /** Asks its HTTP API, such as `rules`. */
  api(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

export interface StartPrometheusOptions {
  /** `host:port` of what is scraped, by the name of the job. */
  readonly targets: Readonly<Record<string, readonly string[]>>;
  /** Rule files, full paths. */
  readonly ruleFiles?: readonly string[];
  readonly scrapeIntervalMs?: number;
}

/** Whether tests of Prometheus can run; throws where real servers are required and it is missing. */
export function hasPrometheus(): boolean {
  const missing = ['prometheus', 'promtool', 'prometheus-pushgateway'].filter(
    (program) => findProgram(program) === undefined,
  );
  if (missing.length === 0) return true;
  if (process.env['S3COMPACT_REQUIRE_REAL'] !== '1') return false;
  throw new Error(`not on PATH: ${missing.join(', ')}; scripts/install-services.sh installs them`);
}

/** Runs promtool; its output. Throws with it when promtool has complaints. */
export function promtool(args: readonly string[], input = ''): string {
  try {
    return execFileSync('promtool', [...args], { input, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`promtool ${args.join(' ')}:\n${stdout}${stderr}`, { cause: error });
  }
}

export interface PushgatewayService {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a Pushgateway that keeps nothing on disk. */
export async function startPushgateway(): Promise<PushgatewayService> {
  return withAttempts(async () => {
    const port = await freePort();
    const args = [`--web.listen-address=127.0.0.1:${port}`];
    const child = await spawnGuarded('pushgateway', () => ({ command: 'prometheus-pushgateway', args }));
    try {
      await child.printed(/TLS is disabled|Listening on/, START_DEADLINE_MS);
      child.detach();
      return { url: `http://127.0.0.1:${port}`, stop: () => child.stop() };
    } catch (error) {
      await child.stop();
      throw error;
    }
  });
}

/** Starts a Prometheus that scrapes these targets. It ends with `stop()`, and also when this process ends. */
export async function startPrometheus(options: StartPrometheusOptions): Promise<PrometheusService> {
  return withAttempts(async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const child = await spawnGuarded('prometheus', (directory) => {
      const file = join(directory, 'prometheus.yml');
      // YAML is a superset of JSON.
      writeFileSync(file, JSON.stringify(configuration(options), null, 2));
      const flags = [`--config.file=${file}`, `--storage.tsdb.path=${join(directory, 'data')}`];
      return { command: 'prometheus', args: [...flags, `--web.listen-address=127.0.0.1:${port}`] };
    });
    try {
      await child.printed(/Server is ready to receive web requests/, START_DEADLINE_MS);
      const { version } = (await ask(url, 'status/buildinfo')) as { readonly version: string };
      child.detach();
      return serviceAt(url, version, () => child.stop());
    } catch (error) {
      await child.stop();
      throw error;
    }
  });
}

function configuration({ targets, ruleFiles = [], scrapeIntervalMs = 500 }: StartPrometheusOptions): unknown {
  const interval = `${scrapeIntervalMs}ms`;
  return {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: ruleFiles,
    scrape_configs: Object.entries(targets).map(([job, addresses]) => ({
      job_name: job,
      static_configs: [{ targets: addresses }],
    })),
  };
}

function serviceAt(url: string, version: string, stop: () => Promise<void>): PrometheusService {
  const query = async (expression: string): Promise<readonly Sample[]> => {
    const data = await ask(url, `query?query=${encodeURIComponent(expression)}`);
    const { result } = data as {
      readonly result: readonly { metric: Record<string, string>; value: [number, string] }[];
    };
    return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  };
  return {
    url,
    version,
    query,
    stop,
    value: async (expression) => (await query(expression))[0]?.value ?? Number.NaN,
    api: (path) => ask(url, path),
  };
}

async function ask(url: string, path: string): Promise<unknown> {
  const deadlineMs = performance.now() + ANSWER_DEADLINE_MS;
  for (;;) {
    const answer = await fetch(`${url}/api/v1/${path}`, { signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) });
    // Not ready yet, though it has said so.
    if (answer.status === 503 && performance.now() < deadlineMs) {
      await delay(POLL_MS);
      continue;
    }
    const { status, data, error } = (await answer.json()) as { status: string; data: unknown; error?: string };
    if (status !== 'success') throw new Error(`Prometheus does not answer ${path}: ${error}`);
    return data;
  }
}
