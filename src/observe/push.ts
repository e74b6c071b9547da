/**
 * Metrics of a job to a Prometheus Pushgateway when it ends: a job is gone before a scrape comes. It stands alone because
 * pushing may never matter to the job: it takes a bounded time, and a failure is reported and nothing else. What is pushed
 * replaces what the same job, command and file system pushed before.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Pushgateway } from 'prom-client';
import { toError } from '../errors.ts';
import { aggregateRegistry, type ProcessMetrics } from './aggregate.ts';

interface PushTarget {
  /** http or https; may carry a user and a password. */
  readonly url: string;
  readonly job: string;
  /** The rest of the group: labels that no metric has (`command`, `filesystem`, `instance`). */
  readonly group: Readonly<Record<string, string>>;
}

interface PushLimits {
  readonly tries: number;
  /** For each try, from connecting to the end of the answer. */
  readonly timeoutMs: number;
  /** Before the second try; doubles. */
  readonly waitMs: number;
}

const PUSH_LIMITS: PushLimits = { tries: 3, timeoutMs: 3_000, waitMs: 500 };
/** Of a Pushgateway's own words. */
const REASON_CHARS_MAX = 300;

/** Pushes; `undefined` when the gateway took it, else why it did not. Never throws, never takes longer than its limits. */
export async function pushMetrics(
  parts: readonly ProcessMetrics[],
  target: PushTarget,
  limits: PushLimits = PUSH_LIMITS,
): Promise<string | undefined> {
  for (let tried = 1; ; tried++) {
    const fault = await pushOnce(parts, target, limits.timeoutMs);
    if (fault === undefined || tried >= limits.tries) return fault;
    await delay(limits.waitMs * 2 ** (tried - 1));
  }
}

async function pushOnce(
  parts: readonly ProcessMetrics[],
  { url, job, group }: PushTarget,
  timeoutMs: number,
): Promise<string | undefined> {
  const over = new AbortController();
  try {
    // The signal ends an answer that never does; the time-out of a request is only that of its silence.
    const signal = AbortSignal.any([over.signal, AbortSignal.timeout(timeoutMs)]);
    const gateway = new Pushgateway(url, { timeout: timeoutMs, signal }, aggregateRegistry(parts));
    await gateway.push({ jobName: job, groupings: { ...group } });
    return undefined;
  } catch (thrown) {
    return toError(thrown).message.slice(0, REASON_CHARS_MAX);
  } finally {
    over.abort();
  }
}
