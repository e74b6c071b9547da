/**
 * SIGTERM and SIGINT as an abort signal, for commands that stop in good order. It stands alone because several commands
 * want the same: the first signal asks, and what comes then is the command's business.
 */
import { once } from 'node:events';
import { CompactError, cancelled } from '../errors.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './output.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Runs `work` with a signal that aborts at the first SIGTERM or SIGINT; `again` is called for every further one. */
export async function untilSignal<T>(
  work: (signal: AbortSignal) => Promise<T>,
  again?: (name: NodeJS.Signals) => void,
  first?: (name: NodeJS.Signals) => void,
): Promise<T> {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    (stop.signal.aborted ? again : first)?.(name);
    stop.abort();
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  try {
    return await work(stop.signal);
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  }
}

/** Comes when the signal aborts, also where it has aborted already. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

interface Stopping {
  /** What the stop has left, and how to go on: the message where nothing but `cancelled` comes of the work. */
  readonly left: string;
  /** What a second signal does; by default it ends the process at once. */
  readonly again?: () => void;
}

/** The same for work that ends by itself: a stop is no end of it, and Ctrl-C has an exit code of its own. */
export async function untilStopped<T>(
  context: CliContext,
  { left, again }: Stopping,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  let stopped = false;
  try {
    return await untilSignal(work, again ?? endAtOnce, (name) => {
      stopped = true;
      if (name === 'SIGINT') context.stopCode = EXIT.interrupted;
    });
  } catch (error) {
    if (!stopped || !(error instanceof CompactError) || error.code !== 'cancelled') throw error;
    throw cancelled(left, error);
  }
}

/** By the signal itself, as if nobody listened. */
function endAtOnce(name: NodeJS.Signals): void {
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}
