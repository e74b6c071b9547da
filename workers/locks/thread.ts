/**
 * The thread that keeps the locks of jobs while the main thread's loop is busy, planning a very long list for one: it
 * looks whether the loop turns, and only if it does not, extends the locks over a connection of its own. While all is well
 * BullMQ does it and this thread sends nothing. It takes no job, ends none, and lets go of a loop that is silent for ever.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { EXTEND_LOCK } from '../../src/queue/bullmq-keys.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { whenReady } from '../../src/redis/link.ts';
import type { JobLock, LockMessage, LockThreadData } from './messages.ts';

/** Looks in one lock's time: two without a beat mean a busy loop, and half of the time is left then. */
const LOOKS = 8;

const { redisUrl, timeoutMs, lockDurationMs, silenceMaxMs, beats } = workerData as LockThreadData;
const counter = new Int32Array(beats);
const locks = new Map<string, JobLock>();
const redis = connectRedis(redisUrl, { profile: 'producer', timeoutMs });

let lastBeat = Atomics.load(counter, 0);
let lastBeatMs = performance.now();
let busy = false;

async function look(): Promise<void> {
  const beat = Atomics.load(counter, 0);
  if (beat !== lastBeat) {
    lastBeat = beat;
    lastBeatMs = performance.now();
    return;
  }
  const silentMs = performance.now() - lastBeatMs;
  if (busy || locks.size === 0 || silentMs < lockDurationMs / LOOKS || silentMs > silenceMaxMs) return;
  busy = true;
  try {
    if ((await whenReady(redis, timeoutMs)) === null) await Promise.all([...locks.values()].map(extend));
  } catch {
    // The next look tries again; who holds the lock is decided in Redis alone.
  } finally {
    busy = false;
  }
}

async function extend({ jobId, token, lockKey, stalledKey }: JobLock): Promise<void> {
  await redis.eval(EXTEND_LOCK, 2, lockKey, stalledKey, token, lockDurationMs, jobId);
}

parentPort?.on('message', (message: LockMessage) => {
  if (message.kind === 'taken') locks.set(message.id, message.lock);
  else locks.delete(message.id);
});
setInterval(() => void look(), Math.max(1, lockDurationMs / LOOKS));
await whenReady(redis, timeoutMs);
parentPort?.postMessage('ready');
