/**
 * docs/logs.md: what every event of the log means, and the fields of the line that each run ends with. A test compares
 * the file with what this prints, and that every event is written somewhere in the code.
 * `UPDATE_GOLDEN=1 npx vitest run test/observe/log.test.ts` writes it anew.
 */
import { LOG_EVENTS } from '../../src/observe/log.ts';

/** A sentence for each event. */
const LOG_MEANINGS: Readonly<Record<keyof typeof LOG_EVENTS, string>> = {
  workerStarted: 'A worker process takes jobs.',
  workerStopping: 'It takes no more jobs; running ones may finish within the grace.',
  workerStopped: 'Nothing of it runs any more.',
  poolStarted: 'The main process of a pool has started its worker processes.',
  processStarted: 'A process of the pool takes jobs.',
  processEnded: 'A message to a process of the pool was not delivered: it has just died.',
  processStuck:
    'A process of the pool has said nothing for two minutes: it is killed, and started again. Its jobs are taken by others.',
  processRestarting: 'A process of the pool ended unasked and is started again; its jobs are taken by others.',
  storeRefuses:
    'S3 refuses whatever it is asked (keys, policy, bucket, quota); jobs wait and one is tried now and then.',
  storeServes: 'S3 serves again what it had refused; jobs go on.',
  storeLost: 'S3 has not answered for ten seconds; jobs wait and one is tried now and then. `err` is its last failure.',
  storeBack: 'S3 answers again; `awayMs` says for how long it did not.',
  metadataLost: 'The same for the metadata service. At the start of a worker at once; the worker waits for it.',
  metadataBack: 'The metadata service answers again.',
  queueLost: "The queue's Redis cannot be worked on; the process waits and goes on by itself.",
  queueBack: "The queue's Redis can be worked on again.",
  settingUnknown:
    'A variable of the environment begins with S3COMPACT_ and is no setting: mistyped, or of another version. It changes nothing.',
  redisUnguarded: 'At start: a Redis with replicas takes writes without them; the line says what to set.',
  jobStarted: 'A run over an inode begins.',
  jobDone: 'A run ended as done. The line of the attempt, see below.',
  jobRetry: 'A run ended (the line of the attempt) and is tried again later.',
  jobFailed:
    'A run halted and needs a person (the line of the attempt), it could not be started or a fault of s3compact ended it (`err`), or the queue gave the job up.',
  jobLockLost: 'The lock of a job could not be renewed in time; its run is cancelled.',
  jobLeft: 'A worker stopped and could not hand this job back; another one takes it when its lock has run out.',
  jobParked: 'The file system is paused; the job waits for its resume.',
  jobGivenBack: 'Jobs that no list of their queue named, or that nobody held any more, are back in the queue.',
  sweepFailed:
    'The hourly look for lost jobs, and for inodes in quarantine that are due, failed; it is made again within minutes.',
  idsWaiting:
    'Of a JuiceFS volume: a run waits until the ids for new slices are old enough, a minute for each new batch.',
  inodeStale: 'The file was removed or changed its kind before the run. The line of the attempt.',
  inodeQuarantined: 'Work on the inode has stopped, see "s3compact quarantine list". The line of the attempt.',
  inodeUnreadable: 'A scan met an inode that cannot be read; it goes on.',
  chunkCommitted: "A chunk's list was swapped.",
  chunkConflict: 'The list changed while the chunk was merged; it is tried again later.',
  chunkUnknown: 'The fate of a commit is not known; nothing is deleted until its reap record has found out.',
  leaseExpired: 'An attempt outlived its lease and was given up before the next step.',
  fenceLost: 'Another attempt, or its own reap record, took the fence of an attempt away.',
  reapLooked: 'A reap record was looked at and is not over yet.',
  reapDeleted: 'A reap record is done; the line tells how many objects were deleted.',
  reapHeld: 'A hold keeps what a reap record would delete; it is looked at again every half hour. At level debug.',
  reapDoubt:
    'A reap record is in doubt, or cannot be read: nothing is deleted, it is looked at again later. The same doubt again: at level debug.',
  reapUnsafe:
    'The store lacks objects that lists reference: what they replaced is not deleted. Somebody must act (runbook).',
  reapGraceDiffers: 'A reap record was written with another grace period than this process has; the longer one counts.',
  scanStarted: 'A scan begins.',
  scanEnded: 'A scan ended; the line has the backlog that it found.',
  scanWaiting: 'A scan waits for the metadata service or the queue.',
  scanReplanned: 'The plan of scans, or its next job, was gone from the queue; it is planned again.',
  consoleStarted: 'The console in the browser is answered.',
  consoleFault: 'A page of the console failed by a fault in s3compact.',
  consoleEntered: 'Somebody logged in at the console; the line has the address.',
  consoleRefused: 'The console refused a wrong token, or a form that came from no page of its own.',
  consoleActed: 'Somebody had the console do something: what, to what, from which address, and what came of it.',
  metricsStarted: '/metrics, /healthz and /readyz are answered.',
  metricLost: 'A source of metrics could not be asked; its gauges keep their last value.',
  metricsPushed: 'The metrics of a command were pushed.',
  metricsNotPushed: 'They could not be pushed; nothing else is lost.',
};

const INTRODUCTION = `# Logs

This page is generated from \`scripts/pages/logs.ts\`; change it there.

JSON lines on standard error. Every line has \`level\`, \`time\` (UTC), \`event\` and \`msg\`; ids are decimal text. Where they
apply: \`fsId\`, \`inodeId\`, \`attempt\`, \`chunkIndex\`, \`jobId\`; \`slot\` is the process of a pool. An error is
\`err: {type, kind, code, message, cause, stack}\`. Passwords and keys are cut out.

## The line of an attempt

Each run writes one line when it ends, with everything: \`job.done\`, \`job.retry\`, \`job.failed\`, \`inode.stale\` or
\`inode.quarantined\`. Level \`info\` for what ended well, else \`warn\`.

| field | meaning |
|---|---|
| \`fsId\`, \`inodeId\`, \`jobId\`, \`attempt\` | what was run; \`attempt\` is missing where nothing had to be written |
| \`origin\`, \`try\`, \`queuedMs\` | who queued it, which try of the job this was, how long ago it was queued |
| \`ending\`, \`outcome\`, \`code\`, \`msg\` | what it came to and why, as in the labels of \`s3compact_runs_completed_total\` |
| \`chunksCompacted\`, \`chunksLeft\`, \`continued\` | chunks done and left, and whether a further run was queued for the rest |
| \`chunks\` | chunks by how they ended: committed, conflict, stale, unknown, or an error code |
| \`cost\` | requests and bytes that merging took |
| \`gain\` | GETs of a full read, versions, objects and stored bytes, before and after |
| \`durationMs\`, \`phasesMs\` | how long the run took, and each phase: plan, record, merge, commit, end |
| \`s3\` | tries by operation, failures by code, retries, bytes read and written |
| \`metadataCalls\` | calls of the metadata service |
| \`waitsMs\` | time waited by limit, added up over everything that waited at the same time |
| \`budgetSpent\` | parts of the budget that were spent: chunks, blocks (bytes or requests), seconds |
| \`reapRecords\`, \`reapRecordCount\` | job ids of its reap records (20 at most), and how many there are |
| \`warnings\` | what went wrong without ending the run |

## Events
`;

/** The whole page. */
export function logsMarkdown(): string {
  const rows = Object.entries(LOG_EVENTS).map(
    ([name, event]) => `| \`${event}\` | ${LOG_MEANINGS[name as keyof typeof LOG_EVENTS]} |`,
  );
  return `${INTRODUCTION}\n| event | meaning |\n|---|---|\n${rows.join('\n')}\n`;
}
