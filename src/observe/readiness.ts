/**
 * Whether a pod can do its work, part by part: what /readyz tells and the gauge s3compact_ready. It stands alone so that
 * the rule is one pure function of what was seen. It asks nobody, and it stops no work: workers wait by themselves.
 */
import type { READY_PARTS } from './metric-values.ts';

type ReadyPart = (typeof READY_PARTS)[number];

/** Why a process cannot work. `refused`: S3 answers and says no, so a person must act; the others may pass by themselves. */
export interface NotReady {
  readonly code: ReadyPart | 'refused';
  /** For people. */
  readonly what: string;
}

interface SeenProcess {
  readonly pid: number;
  /** Empty: ready. */
  readonly notReady: readonly NotReady[];
}

export interface Seen {
  /** None: nothing has been started yet. */
  readonly processes: readonly SeenProcess[];
  /** What the pod's own questions came to: why a server cannot be reached. */
  readonly faults: Partial<Readonly<Record<ReadyPart, string | undefined>>>;
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
  const partReport = (part: ReadyPart) => {
    const seen = part === 'running' ? runningReasons(processes) : whats(processes, part);
    const reasons = [...seen, faults[part]].filter((reason) => reason !== undefined);
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

/** What the processes say of one part, each once. */
function whats(processes: readonly SeenProcess[], part: ReadyPart): string[] {
  const all = processes.flatMap((one) => one.notReady.filter(({ code }) => partOf(code) === part));
  return [...new Set(all.map(({ what }) => what))];
}

function partOf(code: NotReady['code']): ReadyPart {
  return code === 'refused' ? 'store' : code;
}

function runningReasons(processes: readonly SeenProcess[]): string[] {
  if (processes.length === 0) return ['no worker process has been started yet'];
  return processes.every((one) => whats([one], 'running').length > 0) ? whats(processes, 'running') : [];
}
