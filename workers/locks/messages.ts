/**
 * What the main thread and the thread that stands in for it say to each other about locks. It stands alone so that both
 * ends agree, and holds no logic.
 */

/** What the thread is started with; passwords in the URL go to no command line this way. */
export interface LockThreadData {
  readonly redisUrl: string;
  readonly timeoutMs: number;
  readonly lockDurationMs: number;
  /** A loop that is silent for longer than this is taken for dead: its locks run out. */
  readonly silenceMaxMs: number;
  /** One number that the main thread raises while its loop turns. */
  readonly beats: SharedArrayBuffer;
}

/** A job that was taken (`lock` is there) or let go. Keys are whole Redis keys. */
export type LockMessage =
  | { readonly kind: 'taken'; readonly id: string; readonly lock: JobLock }
  | { readonly kind: 'ended'; readonly id: string };

export interface JobLock {
  readonly jobId: string;
  readonly token: string;
  readonly lockKey: string;
  readonly stalledKey: string;
}
