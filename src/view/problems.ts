/**
 * What is wrong, in a line each: what a person must do, and what may pass by itself. Rules over the report and nothing
 * else, so that `--json`, the page in a terminal and the console say the same.
 */
import type { Problem, StatusReport } from './status-report.ts';
import { count, duration, plural } from './words.ts';

type Facts = Omit<StatusReport, 'problems'>;

/** What needs a person first. */
export function problemsOf(report: Facts): readonly Problem[] {
  const all = [
    ...serverProblems(report),
    ...workProblems(report),
    ...pauseProblems(report),
    ...limitProblems(report),
    ...safetyProblems(report),
  ];
  return all.toSorted((a, b) => Number(b.need === 'act') - Number(a.need === 'act'));
}

/** A refusal or a wrong setting needs a person; what is away may come back by itself. */
function serverProblems({ health }: Facts): Problem[] {
  const advice = 'work waits, and goes on by itself when the server answers as it must';
  const reported = health.notReady.map(({ code, what, workers }): Problem => {
    const need = code === 'refused' ? 'act' : 'wait';
    return { need, what: `${plural(workers, 'worker')}: ${what}`, advice };
  });
  const metadata = health.servers.find(({ name }) => name === 'metadata');
  if (metadata?.state !== 'failing' || reported.length > 0) return reported;
  return [{ need: 'wait', what: `the metadata service: ${metadata.error}`, advice }];
}

function workProblems({ queues, workers, failed }: Facts): Problem[] {
  const problems: Problem[] = [];
  const waiting = queues.reduce((sum, queue) => sum + (queue.paused ? 0 : queue.waiting), 0);
  if (workers === 0 && waiting > 0) {
    const what = `${plural(waiting, 'job')} waiting and no worker is connected`;
    problems.push({ need: 'act', what, advice: 'start workers: "s3compact worker"' });
  }
  if (failed.total > 0) {
    // What needs a person is in quarantine; a job that was given up is remembered for a week, whatever came after it.
    const advice = 'the reasons are below; the next scan queues what is still worth it and not in quarantine';
    problems.push({ need: 'wait', what: `${plural(failed.total, 'job')} given up within the last week`, advice });
  }
  return problems;
}

function pauseProblems({ paused, nowMs }: Facts): Problem[] {
  const { compact, reap, filesystems } = paused;
  const parts: string[] = [];
  if (compact) parts.push(reap ? 'everything, deleting included' : 'everything but deleting');
  else if (reap) parts.push('deleting');
  for (const { fsId, sinceMs, by } of filesystems) {
    parts.push(
      `file system ${fsId} (${sinceMs === 0 ? 'nobody knows since when' : `for ${duration(nowMs - sinceMs)}`}, by ${by})`,
    );
  }
  if (parts.length === 0) return [];
  return [{ need: 'wait', what: `paused: ${parts.join(', ')}`, advice: '"s3compact resume" lets it go on' }];
}

/** Limits that somebody has set and that hold work up now. */
function limitProblems({ queues, inFlight }: Facts): Problem[] {
  const advice = 'this limit was set; raise it where that is too slow';
  const bound = queues.flatMap(({ jobsMax, active, waiting, paused }): Problem[] => {
    if (jobsMax === null || active < jobsMax || waiting === 0 || paused) return [];
    const what = `${plural(waiting, 'job')} waiting: all workers together run ${jobsMax} at a time (S3COMPACT_TOTAL_JOBS)`;
    return [{ need: 'wait', what, advice }];
  });
  // Those that name a setting: places for requests and memory come and go on a healthy worker.
  const rates = inFlight.filter(({ waits }) => waits?.for === 'limit' && waits.what.includes('S3COMPACT_'));
  const alike = Map.groupBy(rates, ({ waits }) => waits?.what);
  const slowed = [...alike].map(([what, runs]): Problem => {
    return { need: 'wait', what: `${plural(runs.length, 'run')} slowed down by ${what}`, advice };
  });
  return [...bound, ...slowed];
}

function safetyProblems({ fsId, reap, quarantined }: Facts): Problem[] {
  const problems: Problem[] = [];
  if (quarantined > 0) {
    const what = `${plural(quarantined, 'inode')} in quarantine: left alone, nothing is deleted`;
    const advice = 'mend what the reasons below say; then "s3compact quarantine release FS INODE --queue"';
    problems.push({ need: 'act', what, advice });
  }
  if (reap.overdue > 0) {
    const of = fsId === null ? '' : ' of all file systems';
    const what = `${plural(reap.overdue, 'reap record')}${of} overdue, the oldest for ${duration(reap.oldestDueMs)}`;
    problems.push({ need: 'act', what, advice: 'nothing is lost, and nothing is reclaimed; the reasons are below' });
  }
  if (reap.recordsInDoubt.length > 0) {
    const what = `${count(reap.recordsInDoubt.length)} or more reap records in doubt: nothing of them is deleted`;
    problems.push({ need: 'wait', what, advice: 'they are looked at again by themselves; the reasons are below' });
  }
  return problems;
}
