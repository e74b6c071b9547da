/**
 * What `s3compact status` and the console ask, all at one moment. A new section adds its question here, and its form to
 * status-report.ts. It asks only the queue's Redis, the metadata service for the number it was given, and the bucket where a hold
 * was seen; it changes nothing.
 */
import { endsWithin } from '../clock.ts';
import { CompactError } from '../errors.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import { COMPACT_QUEUE } from '../queue/compact-queue.ts';
import { jobsInFlight, queueDepths, reapBacklog, recentRuns, workersConnected } from '../queue/status.ts';
import { delayedJobs, failedJobs, type JobList, listedRecords } from '../queue/status-lists.ts';
import { WorkerReports } from '../queue/worker-reports.ts';
import { wallMs } from '../time.ts';
import type { SeenAges } from '../wiring/server-health.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import { healthOf } from './health.ts';
import { problemsOf } from './problems.ts';
import type { QuarantineListed, StatusReport } from './status-report.ts';
import { askHolds, NO_HOLDS } from './stuck.ts';

/** Inodes in quarantine that are listed. */
const QUARANTINE_MAX = 100;

/** Whether something is of the file system that is asked for; without one, everything is. */
const isOf = (fsId: number | undefined) => (one: { readonly fsId: number }) => fsId === undefined || one.fsId === fsId;

/** Everything at once; errors are CompactError `queue-unavailable` (retry) or `filesystem-missing` (halt). */
export async function askStatus(clients: WorkClients, fsId?: number): Promise<StatusReport> {
  const { status } = clients;
  const isAsked = isOf(fsId);
  const ofAsked = ({ total, jobs }: JobList): JobList => {
    const asked = jobs.filter(isAsked);
    return { total: fsId === undefined ? total : asked.length, jobs: asked };
  };
  const counts = await factsOf(clients, fsId);
  const [failed, delayed, records, quarantine, holds] = await Promise.all([
    failedJobs(status),
    delayedJobs(status),
    listedRecords(status),
    quarantineOf(clients, isAsked),
    askHolds(clients, { fsId }),
  ]);
  const report = {
    ...counts,
    failed: ofAsked(failed),
    delayed: ofAsked(delayed),
    reap: {
      ...counts.reap,
      overdueRecords: records.overdueRecords.filter(isAsked),
      recordsInDoubt: records.recordsInDoubt.filter(isAsked),
    },
    quarantined: quarantine.total,
    quarantine: quarantine.inodes,
    holds,
  };
  return { ...report, problems: problemsOf(report) };
}

/** The same without the lists of what is stuck, which are empty; for those who ask every few seconds. */
export async function askCounts(clients: WorkClients): Promise<StatusReport> {
  const [counts, quarantined] = await Promise.all([factsOf(clients, undefined), clients.quarantine.count()]);
  const report = { ...counts, quarantined };
  return { ...report, problems: problemsOf(report) };
}

/** All that is counted but for the quarantine. */
async function factsOf(clients: WorkClients, fsId: number | undefined) {
  const { status, control, scans, ledger } = clients;
  const metadata = await askMetadata(clients, fsId);
  const isAsked = isOf(fsId);
  const [queues, workers, paused, inFlight, recent, results, backlog, seen] = await Promise.all([
    queueDepths(status),
    workersConnected(status),
    control.paused(),
    jobsInFlight(status),
    recentRuns(status),
    scans.results(),
    reapBacklog(status),
    new WorkerReports(status).all(),
  ]);
  const nowMs = wallMs(await ledger.nowMs());
  const compact = queues.find(({ name }) => name === COMPACT_QUEUE);
  return {
    nowMs,
    fsId: fsId ?? null,
    health: healthOf(seen, metadata, nowMs),
    queues,
    workers,
    recent,
    paused: { ...paused, filesystems: paused.filesystems.filter(isAsked) },
    inFlight: inFlight.filter(isAsked),
    scans: results.filter(isAsked),
    failed: { total: compact?.failed ?? 0, jobs: [] },
    delayed: { total: compact?.delayed ?? 0, jobs: [] },
    reap: { ...backlog, overdueRecords: [], recordsInDoubt: [] },
    quarantine: [],
    holds: { ...NO_HOLDS, unknown: 'not asked for' },
  };
}

/** How long the metadata service may take: somebody waits for the page. */
const METADATA_WAIT_MS = 1_500;

/**
 * Asks the metadata service once. One that is away must not keep anybody from the status: then the number is taken as it
 * is. Throws `filesystem-missing` (halt).
 */
async function askMetadata({ metadata }: WorkClients, fsId: number | undefined): Promise<SeenAges> {
  let fault: CompactError | undefined;
  const asked = (fsId === undefined ? metadata.getFilesystem(0) : requireFilesystem(metadata, fsId)).catch(
    (error: unknown) => {
      if (!(error instanceof CompactError)) throw error;
      fault = error;
    },
  );
  const inTime = await endsWithin(asked, METADATA_WAIT_MS);
  if (fault?.code === 'filesystem-missing') throw fault;
  if (inTime && fault?.kind !== 'retry') return { answeredAgoMs: 0 };
  const error = fault?.message ?? `the metadata service did not answer within ${METADATA_WAIT_MS / 1000} s`;
  return { failedAgoMs: 0, failingForMs: 0, error };
}

/** The newest of any number; holds at most twice as many as it tells. */
async function quarantineOf(
  { quarantine }: WorkClients,
  isAsked: (key: { readonly fsId: number }) => boolean,
): Promise<{ readonly total: number; readonly inodes: readonly QuarantineListed[] }> {
  let total = 0;
  let inodes: QuarantineListed[] = [];
  const newest = () => inodes.toSorted((a, b) => b.sinceMs - a.sinceMs).slice(0, QUARANTINE_MAX);
  for await (const one of quarantine.all()) {
    if (!isAsked(one.key)) continue;
    total++;
    const { key, ...entry } = one;
    inodes.push({ fsId: key.fsId, inodeId: key.inodeId.toString(), ...entry });
    if (inodes.length >= 2 * QUARANTINE_MAX) inodes = newest();
  }
  return { total, inodes: newest() };
}
