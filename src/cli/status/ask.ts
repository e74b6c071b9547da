/**
 * What `s3compact status` asks, all at one moment. A new section adds its question here, its form to report.ts and a file
 * of its own. It asks only the queue's Redis, and the metadata service for the number it was given; it changes nothing.
 */
import { CompactError } from '../../errors.ts';
import { requireFilesystem } from '../../metadata/lookup.ts';
import type { QuarantinedInode } from '../../queue/quarantine.ts';
import type { JobList } from '../../queue/status-lists.ts';
import type { Clients } from '../../wiring/clients.ts';
import { problemsOf } from './problems.ts';
import type { QuarantineListed, StatusReport } from './report.ts';

/** Inodes in quarantine that are listed. */
const QUARANTINE_MAX = 100;

/** Everything at once; errors are CompactError `queue-unavailable` (retry) or `filesystem-missing` (halt). */
export async function askStatus(clients: Clients, fsId?: number): Promise<StatusReport> {
  const [ask, lists] = await Promise.all([import('../../queue/status.ts'), import('../../queue/status-lists.ts')]);
  const { status, control, scans, ledger } = clients;
  await requireKnown(clients, fsId);
  const isAsked = (one: { readonly fsId: number }) => fsId === undefined || one.fsId === fsId;
  const ofAsked = ({ total, jobs }: JobList): JobList => {
    const asked = jobs.filter(isAsked);
    return { total: fsId === undefined ? total : asked.length, jobs: asked };
  };
  const [queues, workers, paused, inFlight, recent, results, backlog] = await Promise.all([
    ask.queueDepths(status),
    ask.workersConnected(status),
    control.paused(),
    ask.jobsInFlight(status),
    ask.recentRuns(status),
    scans.results(),
    ask.reapBacklog(status),
  ]);
  const [failed, delayed, records, quarantine] = await Promise.all([
    lists.failedJobs(status),
    lists.delayedJobs(status),
    lists.listedRecords(status),
    quarantineOf(clients, isAsked),
  ]);
  const report = {
    ...{ nowMs: await ledger.nowMs(), queues, workers, recent },
    paused: { ...paused, filesystems: paused.filesystems.filter(isAsked) },
    inFlight: inFlight.filter(isAsked),
    scans: results.filter(isAsked),
    ...{ failed: ofAsked(failed), delayed: ofAsked(delayed) },
    reap: {
      ...backlog,
      overdueRecords: records.overdueRecords.filter(isAsked),
      recordsInDoubt: records.recordsInDoubt.filter(isAsked),
    },
    quarantined: quarantine.total,
    quarantine: quarantine.inodes,
  };
  return { ...report, problems: problemsOf(report) };
}

/** A metadata service that is away must not keep anybody from the status: then the number is taken as it is. */
async function requireKnown({ metadata }: Clients, fsId: number | undefined): Promise<void> {
  if (fsId === undefined) return;
  try {
    await requireFilesystem(metadata, fsId);
  } catch (error) {
    if (!(error instanceof CompactError) || error.kind !== 'retry') throw error;
  }
}

/** The newest of any number; holds at most twice as many as it tells. */
async function quarantineOf(
  { quarantine }: Clients,
  isAsked: (key: { readonly fsId: number }) => boolean,
): Promise<{ readonly total: number; readonly inodes: readonly QuarantineListed[] }> {
  let total = 0;
  let inodes: QuarantineListed[] = [];
  const newest = () => inodes.toSorted((a, b) => b.sinceMs - a.sinceMs).slice(0, QUARANTINE_MAX);
  for await (const one of quarantine.all()) {
    if (!isAsked(one.key)) continue;
    total++;
    inodes.push(quarantineListed(one));
    if (inodes.length >= 2 * QUARANTINE_MAX) inodes = newest();
  }
  return { total, inodes: newest() };
}

function quarantineListed({ key, ...entry }: QuarantinedInode): QuarantineListed {
  return { fsId: key.fsId, inodeId: key.inodeId.toString(), ...entry };
}
