/**
 * The metrics of a process, on a registry of its own: names, helps and what is asked when a scrape comes. It stands apart
 * so that every metric name is in one file. A source that cannot be asked, or does not answer in time, leaves its last
 * value: a scrape never fails for it, nor waits long. No label ever holds an inode.
 */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export interface MetricSources {
  /** Inodes in quarantine. */
  readonly quarantined: () => Promise<number>;
  /** A source could not be asked. */
  readonly onError: (metric: string, error: unknown) => void;
  readonly version: string;
}

/** A source gets this long: Prometheus gives up a scrape after 10 s by default, and with it every other metric. */
const ASK_TIMEOUT_MS = 2_000;

/** A registry with every metric there from the start. */
export function createMetrics(sources: MetricSources): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const build = new Gauge({
    name: 's3compact_build_info',
    help: 'Always 1; the labels tell the version.',
    labelNames: ['version', 'node'],
    registers: [registry],
  });
  build.set({ version: sources.version, node: process.version }, 1);
  gaugeOf(registry, {
    name: 's3compact_quarantined_inodes',
    help: 'Inodes on which work has stopped until a person releases them (s3compact quarantine list).',
    ask: sources.quarantined,
    onError: sources.onError,
  });
  return registry;
}

interface AskedGauge {
  readonly name: string;
  readonly help: string;
  readonly ask: () => Promise<number>;
  readonly onError: MetricSources['onError'];
}

/** A gauge that is asked for at each scrape, and is no number until it was told once: 0 would say that all is well. */
function gaugeOf(registry: Registry, { name, help, ask, onError }: AskedGauge): void {
  const gauge = new Gauge({
    name,
    help,
    registers: [registry],
    async collect() {
      try {
        this.set(await inTime(ask()));
      } catch (error) {
        onError(name, error);
      }
    },
  });
  gauge.set(Number.NaN);
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const expire = () => reject(new Error(`no answer within ${ASK_TIMEOUT_MS} ms`));
    timer = setTimeout(expire, ASK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
