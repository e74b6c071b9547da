/**
 * SIGTERM and SIGINT as an abort signal, for commands that stop in good order. It stands alone because several commands
 * want the same: the first signal asks, and what comes then is the command's business.
 */

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Runs `work` with a signal that aborts at the first SIGTERM or SIGINT; `again` is called for every further one. */
export async function untilSignal<T>(work: (signal: AbortSignal) => Promise<T>, again?: () => void): Promise<T> {
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) again?.();
    stop.abort();
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  try {
    return await work(stop.signal);
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  }
}
