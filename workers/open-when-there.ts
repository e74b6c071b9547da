/**
 * The start of a worker while a server is away: it waits, as it would later, and says so at /readyz, so that a restarted
 * pod does not end again and again and its logs say one thing. It does no work; what is wrong for good is thrown.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CompactError } from '../src/errors.ts';
import { LOG_EVENTS, type Logger } from '../src/observe/log.ts';
import { type MetricsServer, startMetricsServer } from '../src/observe/metrics-server.ts';
import { readinessOf, type Seen } from '../src/observe/readiness.ts';

const AGAIN_MS = 1_000;

type Part = Exclude<keyof Seen['faults'], 'running'>;
/** What a server that is away is called in the log. */
const LOST = { queue: LOG_EVENTS.queueLost, metadata: LOG_EVENTS.metadataLost, store: LOG_EVENTS.storeLost } as const;

interface WaitingStart {
  /** Where /readyz is served; 0: nowhere. */
  readonly port: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** `null` when it was stopped first. */
export async function openWhenThere<T>(open: () => Promise<T>, { port, log, signal }: WaitingStart): Promise<T | null> {
  let faults: Seen['faults'] = {};
  const reported = new Set<Part>();
  let server: MetricsServer | undefined;
  try {
    while (!signal.aborted) {
      try {
        return await open();
      } catch (error) {
        if (!(error instanceof CompactError) || error.kind !== 'retry') throw error;
        const part = partOf(error);
        if (!reported.has(part))
          log.warn({ event: LOST[part], err: error }, 'a server is away; the worker waits for it');
        reported.add(part);
        faults = { [part]: error.message };
      }
      if (port !== 0)
        server ??= await startMetricsServer(
          waiting(() => faults),
          port,
        ).catch(() => undefined);
      await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
    return null;
  } finally {
    await server?.close();
  }
}

function partOf({ code }: CompactError): Part {
  if (code === 'metadata-unavailable') return 'metadata';
  return code === 'store-unavailable' ? 'store' : 'queue';
}

function waiting(faults: () => Seen['faults']): Parameters<typeof startMetricsServer>[0] {
  return {
    text: async () => '',
    readiness: async () => readinessOf({ processes: [], faults: faults() }),
  };
}
