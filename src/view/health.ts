/**
 * The servers as those who use them see them: the queue and the metadata service by who asks, and all of them by the
 * workers' reports. A server is failing when a worker's last request to it failed; the last error and its age are shown
 * also when all is well again. It asks nothing.
 */
import type { WorkerReport } from '../queue/worker-reports.ts';
import type { SeenAges } from '../wiring/server-health.ts';
import type { Health, ServerHealth } from './status-report.ts';

/** `metadata`: what this process saw of it now. The queue has answered, or there would be no page. */
export function healthOf(reports: readonly WorkerReport[], metadata: SeenAges, nowMs: number): Health {
  const agesAt = ({ error, ...ages }: SeenAges, atMs: number): SeenAges => {
    const late = Math.max(0, nowMs - atMs);
    const older = Object.entries(ages).flatMap(([name, ms]) => (ms === undefined ? [] : [[name, ms + late] as const]));
    return { ...Object.fromEntries(older), error };
  };
  const buckets = new Map<string, SeenAges[]>();
  for (const { stores, atMs } of reports) {
    for (const { bucket, ...seen } of stores) buckets.set(bucket, [...(buckets.get(bucket) ?? []), agesAt(seen, atMs)]);
  }
  const alike = Map.groupBy(
    reports.flatMap(({ notReady }) => notReady),
    ({ what }) => what,
  );
  const byWorkers = reports.map((report) => agesAt(report.metadata, report.atMs));
  return {
    servers: [
      { name: 'queue', state: 'ok', answeredAgoMs: 0 },
      serverOf('metadata', [metadata, ...byWorkers]),
      ...[...buckets]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([bucket, seen]) => serverOf(`bucket ${bucket}`, seen)),
    ],
    notReady: [...alike.values()].flatMap((all) => all.slice(0, 1).map((one) => ({ ...one, workers: all.length }))),
    reports: reports.length,
  };
}

function serverOf(name: string, seen: readonly SeenAges[]): ServerHealth {
  const failing = seen.filter(({ failingForMs }) => failingForMs !== undefined);
  const newest = seen
    .filter(({ failedAgoMs }) => failedAgoMs !== undefined)
    .toSorted((a, b) => (a.failedAgoMs ?? 0) - (b.failedAgoMs ?? 0))[0];
  const answered = seen.flatMap(({ answeredAgoMs }) => answeredAgoMs ?? []);
  const forMs = failing.flatMap(({ failingForMs }) => failingForMs ?? []);
  return {
    name,
    state: failing.length > 0 ? 'failing' : answered.length > 0 ? 'ok' : 'unknown',
    ...(answered.length === 0 ? {} : { answeredAgoMs: Math.min(...answered) }),
    ...(newest?.failedAgoMs === undefined ? {} : { failedAgoMs: newest.failedAgoMs }),
    ...(forMs.length === 0 ? {} : { failingForMs: Math.max(...forMs) }),
    ...(newest?.error === undefined ? {} : { error: newest.error }),
    ...(failing.length > 0 && seen.length > 1 ? { workers: { failing: failing.length, all: seen.length } } : {}),
  };
}
