/**
 * What a scan needs of the queue and of what is kept beside it, as ports, and what it keeps there. It stands apart so
 * that the scan sees no BullMQ and the queue no scan. It holds no behaviour.
 *
 * Errors of all calls are CompactError `queue-unavailable` (retry). All times are milliseconds of the queue's clock.
 */
import type { InodeKey } from './model.ts';
import type { LedgerMs } from './time.ts';

/** An inode that is worth a run, and how much; scores compare within one file system. */
export interface ScoredInode {
  readonly key: InodeKey;
  readonly score: number;
}

/** `enqueueBest` takes at most so many. */
export const ENQUEUE_MAX = 1_000;

export interface ScanQueue {
  /** Queues inodes of one file system, best first, that are not in flight; answers how many. May simply be called again. */
  enqueueBest(fsId: number, inodes: readonly ScoredInode[]): Promise<number>;
  /** Jobs that wait for a worker. */
  waitingCount(): Promise<number>;
}

export interface ScanGate {
  /** Whether the file system, or everything, is paused. */
  isPaused(fsId: number): Promise<boolean>;
}

export interface ScanQuarantine {
  /** Those of the inodes that are in quarantine and stay there, as `fsId/inodeId`; not those that may be looked at again. */
  among(keys: readonly InodeKey[], nowMs: LedgerMs): Promise<ReadonlySet<string>>;
}

/** What a walk found, by what the planner says without a budget. */
export interface Backlog {
  /** Inodes looked at. */
  readonly inodes: number;
  /** Of them: could not be read, because they break the format. */
  readonly unreadable: number;
  /** Worth a run, but in quarantine; not in the sums below. */
  readonly quarantined: number;
  readonly inodesWorthIt: number;
  readonly chunksWorthIt: number;
  /** GETs of one full read of those chunks that would go. */
  readonly getsSaved: number;
  readonly objectsSaved: number;
  /** Stored bytes that would go. */
  readonly bytesReclaimed: number;
  /** Payload read plus written to do it all. */
  readonly bytesToMove: number;
  readonly requestsToMake: number;
  /** Bytes of the objects of all files that could be read, worth a run or not. */
  readonly storedBytes: number;
  /** Those of them that a reader sees. */
  readonly visibleBytes: number;
}

export const NO_BACKLOG: Backlog = {
  inodes: 0,
  unreadable: 0,
  quarantined: 0,
  inodesWorthIt: 0,
  chunksWorthIt: 0,
  getsSaved: 0,
  objectsSaved: 0,
  bytesReclaimed: 0,
  bytesToMove: 0,
  requestsToMake: 0,
  storedBytes: 0,
  visibleBytes: 0,
};

/** Where a walk stands: all before `cursor` has been looked at and, where it is worth it, queued. */
export interface ScanPosition {
  readonly cursor: string;
  readonly backlog: Backlog;
  readonly startedMs: LedgerMs;
  readonly savedMs: LedgerMs;
  /** Who walked: a host and process. */
  readonly by: string;
}

/** What a whole walk found. */
export interface ScanResult {
  /** The id may be used again. */
  readonly fsUuid: string;
  readonly backlog: Backlog;
  readonly startedMs: LedgerMs;
  readonly endedMs: LedgerMs;
  readonly by: string;
}

export interface ScanBook {
  /** By uuid, since the id of a file system may be used again. */
  position(fsUuid: string): Promise<ScanPosition | null>;
  setPosition(fsUuid: string, position: ScanPosition | null): Promise<void>;
  setResult(fsId: number, result: ScanResult): Promise<void>;
}
