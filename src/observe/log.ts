/**
 * Logging: one pino logger with the house's names for what is logged. It stands alone so that every line of every
 * process reads the same: ids as text (they pass 2^53), one event name per kind of line, no secrets. A failure is
 * logged once, where it is consumed. It decides nothing and never throws.
 */
import { type DestinationStream, destination as fileDestination, type Logger, pino } from 'pino';
import { redactText, type Settings } from '../config/index.ts';
import { CompactError, toError } from '../errors.ts';
import type { InodeKey } from '../model.ts';

export type { Logger } from 'pino';

/** Every event name there is; dashboards and alerts match on them, so a change is a change of format. */
export const LOG_EVENTS = {
  workerStarted: 'worker.started',
  workerStopping: 'worker.stopping',
  workerStopped: 'worker.stopped',
  poolStarted: 'pool.started',
  processStarted: 'process.started',
  processEnded: 'process.ended',
  processStuck: 'process.stuck',
  processRestarting: 'process.restarting',
  storeRefuses: 'store.refuses',
  storeServes: 'store.serves',
  storeLost: 'store.lost',
  storeBack: 'store.back',
  metadataLost: 'metadata.lost',
  metadataBack: 'metadata.back',
  queueLost: 'queue.lost',
  queueBack: 'queue.back',
  redisUnguarded: 'redis.unguarded',
  settingUnknown: 'setting.unknown',
  jobStarted: 'job.started',
  jobDone: 'job.done',
  jobRetry: 'job.retry',
  jobFailed: 'job.failed',
  jobLockLost: 'job.lock-lost',
  jobLeft: 'job.left',
  jobParked: 'job.parked',
  jobGivenBack: 'job.given-back',
  sweepFailed: 'sweep.failed',
  idsWaiting: 'ids.waiting',
  inodeStale: 'inode.stale',
  inodeQuarantined: 'inode.quarantined',
  chunkCommitted: 'chunk.committed',
  chunkConflict: 'chunk.conflict',
  chunkUnknown: 'chunk.unknown',
  leaseExpired: 'lease.expired',
  fenceLost: 'fence.lost',
  reapLooked: 'reap.looked',
  reapDeleted: 'reap.deleted',
  reapHeld: 'reap.held',
  reapDoubt: 'reap.doubt',
  reapUnsafe: 'reap.unsafe',
  reapGraceDiffers: 'reap.grace-differs',
  scanStarted: 'scan.started',
  scanEnded: 'scan.ended',
  scanWaiting: 'scan.waiting',
  scanReplanned: 'scan.replanned',
  inodeUnreadable: 'inode.unreadable',
  consoleStarted: 'console.started',
  consoleFault: 'console.fault',
  consoleEntered: 'console.entered',
  consoleRefused: 'console.refused',
  consoleActed: 'console.acted',
  metricsStarted: 'metrics.started',
  metricLost: 'metric.lost',
  metricsPushed: 'metrics.pushed',
  metricsNotPushed: 'metrics.not-pushed',
} as const;

export type LogEvent = (typeof LOG_EVENTS)[keyof typeof LOG_EVENTS];

/** What a line may say about where it happened; the one spelling of these names. */
interface LogContext {
  readonly key?: InodeKey;
  readonly attempt?: bigint;
  readonly chunkIndex?: number;
  readonly jobId?: string;
}

interface LoggerOptions {
  readonly level: Settings['logLevel'];
  /** Absent: standard error, written at once so that the last line before an exit is not lost. */
  readonly destination?: DestinationStream;
}

/** Paths that are cut from log objects even if a library's object carries them. */
const SECRET_KEYS = ['password', 'sentinelPassword', 'secretAccessKey', 'sessionToken', 'accessKeyId', 'authorization'];
const SECRET_PATHS = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/** JSON lines with the level as a word, UTC times, bigints as decimal text and secrets hidden. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: SECRET_PATHS, censor: '***' },
      formatters: { level: (label) => ({ level: label }), log: plainFields },
      serializers: { err: errorForLog },
      hooks: { logMethod: redactMessage },
    },
    options.destination ?? fileDestination({ dest: 2, sync: true }),
  );
}

/** The bindings for a place: `log.info({ event, ...logContext({ key, chunkIndex }) }, 'text')` or `log.child(...)`. */
export function logContext(context: LogContext): Record<string, string | number> {
  return {
    ...(context.key === undefined ? {} : { fsId: context.key.fsId, inodeId: context.key.inodeId.toString() }),
    ...(context.attempt === undefined ? {} : { attempt: context.attempt.toString() }),
    ...(context.chunkIndex === undefined ? {} : { chunkIndex: context.chunkIndex }),
    ...(context.jobId === undefined ? {} : { jobId: context.jobId }),
  };
}

/** An error as log fields: kind and code where it is ours, its cause in one line, passwords out of every text. */
export function errorForLog(thrown: unknown): Record<string, string | undefined> {
  const error = toError(thrown);
  const own = error instanceof CompactError ? { kind: error.kind, code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: redactText(toError(error.cause).message) };
  return {
    type: error.name,
    ...own,
    message: redactText(error.message),
    ...cause,
    stack: redactText(error.stack ?? ''),
  };
}

/** Top level of a line's fields only; pino would print a bigint as a number. Bindings of a child take `logContext`. */
function plainFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, plainValue(value)]));
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return typeof value === 'string' ? redactText(value) : value;
}

/** Messages and what is put into their placeholders. */
function redactMessage(this: Logger, args: Parameters<Logger['info']>, method: (...args: unknown[]) => void): void {
  method.apply(
    this,
    args.map((arg) => (typeof arg === 'string' ? redactText(arg) : arg)),
  );
}
