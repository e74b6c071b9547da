/**
 * Waiting with an end: closing connections and queues may hang for as long as a server is away, and a process that is
 * asked to stop must stop. It only waits; what to do when time is up is the caller's business.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Whether `work` settled within `ms`; it goes on in the background otherwise. */
export async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false);
  const inTime = await Promise.race([work.then(() => true), late]);
  timer.abort();
  return inTime;
}
