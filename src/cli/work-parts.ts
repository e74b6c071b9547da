/**
 * What commands that work themselves take from `workers/`, in one place that they load when they act: their help and
 * usage errors must not wait for the queue and the S3 SDK. Nothing is done here, and no command loads it at its top.
 */
export { drainReapQueue } from '../../workers/drain-reap.ts';
export { runFilesystem } from '../../workers/filesystem-run.ts';
export { startMetrics } from '../../workers/pod-metrics.ts';
export { startPool } from '../../workers/processes/process-group.ts';
export { pushAtEnd } from '../../workers/push-at-end.ts';
export { runScan } from '../../workers/run-scan.ts';
export { processName } from '../../workers/running.ts';
export { startScheduler } from '../../workers/scheduler.ts';
export { keepTotalJobs } from '../../workers/shared-job-limit.ts';
export { startWorker } from '../../workers/worker.ts';
export { ScanSchedule } from '../queue/scan-schedule.ts';
export { workersConnected } from '../queue/status.ts';
export { runNow } from '../queue/wait-for-run.ts';
export { runInode } from '../wiring/run-inode.ts';
