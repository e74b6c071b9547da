/**
 * Whether a pod can do its work, part by part: what /readyz tells and the gauge s3compact_ready. It stands alone so that
 * the rule is one pure function of what was seen. It asks nobody, and it stops no work: workers wait by themselves.
 */
import type { READY_PARTS } from './metric-values.ts';

export type ReadyPart = (typeof READY_PARTS)[number];

/** Why a process cannot work, as the processes say it. */
export const NOT_READY = {
  store: 'S3 does not answer',
  /** What it said follows. */
  refused: 'S3 refuses: ',
  metadata: 'the metadata service does not answer',
  /** Behind "the compact" or "the reap". */
  queue: 'queue is not reachable',
  stopping: 'stopping',
} as const;

export interface SeenProcess {
  readonly pid: number;
  /** Clauses; empty: ready. */
  readonly notReady: readonly string[];
}

export interface Seen {
  /** None: nothing has been started yet. */
  readonly processes: readonly SeenProcess[];
  /** What the pod's own questions came to: why a server cannot be reached. */
  readonly faults: Partial<Readonly<Record<ReadyPart, string>>>;
}

export interface Readiness {
  readonly ready: boolean;
  readonly parts: Readonly<Record<ReadyPart, { readonly ready: boolean; readonly reasons: readonly string[] }>>;
  readonly processes: readonly SeenProcess[];
}

/**
 * A server is not ready when anybody could not reach it; the work is not running when it stops, has not begun, or no
 * process of the pod can do any for a reason of its own.
 */
export function readinessOf({ processes, faults }: Seen): Readiness {
  const clauses = [...new Set(processes.flatMap((one) => one.notReady))];
  const reasonsOf = (part: ReadyPart): string[] => {
    const fault = faults[part];
    const reasons =
      part === 'running' ? runningReasons(processes) : clauses.filter((clause) => partOf(clause) === part);
    return fault === undefined ? reasons : [...reasons, fault];
  };
  const partReport = (part: ReadyPart) => {
    const reasons = reasonsOf(part);
    return { ready: reasons.length === 0, reasons };
  };
  const parts = {
    queue: partReport('queue'),
    metadata: partReport('metadata'),
    store: partReport('store'),
    running: partReport('running'),
  };
  return { ready: Object.values(parts).every((part) => part.ready), parts, processes };
}

function partOf(clause: string): ReadyPart {
  if (clause === NOT_READY.store || clause.startsWith(NOT_READY.refused)) return 'store';
  if (clause === NOT_READY.metadata) return 'metadata';
  return clause.endsWith(NOT_READY.queue) ? 'queue' : 'running';
}

function runningReasons(processes: readonly SeenProcess[]): string[] {
  if (processes.length === 0) return ['no worker process has been started yet'];
  const own = processes.map((one) => one.notReady.filter((clause) => partOf(clause) === 'running'));
  return own.every((clauses) => clauses.length > 0) ? [...new Set(own.flat())] : [];
}
