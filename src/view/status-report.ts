/**
 * The form of what `s3compact status` tells: what `--json` prints and the sections show. It stands apart so that a section
 * or a test makes a report without servers. It holds no behaviour.
 */
import type { Paused } from '../queue/pause.ts';
import type { QuarantineEntry } from '../queue/quarantine.ts';
import type { LastScan } from '../queue/scan-book.ts';
import type { JobInFlight, QueueDepth, ReapBacklog, RecentRuns } from '../queue/status.ts';
import type { JobList, RecordsPart } from '../queue/status-lists.ts';
import type { SeenAges } from '../wiring/server-health.ts';

export interface Problem {
  /** act: a person must. wait: it passes by itself, or somebody wanted it so. */
  readonly need: 'act' | 'wait';
  readonly what: string;
  readonly advice: string;
}

/** What was found at one moment; of one file system where that was asked for. */
export interface StatusReport {
  readonly nowMs: number;
  /** The file system that was asked for; servers, queues, workers, `recent` and the counts of `reap` are of all. */
  readonly fsId: number | null;
  /** What is wrong, what needs a person first. */
  readonly problems: readonly Problem[];
  readonly health: Health;
  readonly queues: readonly QueueDepth[];
  /** `null`: the server does not tell. */
  readonly workers: number | null;
  readonly paused: Paused;
  readonly inFlight: readonly JobInFlight[];
  readonly recent: RecentRuns;
  readonly scans: readonly LastScan[];
  readonly failed: JobList;
  readonly delayed: JobList;
  readonly reap: ReapBacklog & Omit<RecordsPart, 'more'>;
  /** Inodes in quarantine. */
  readonly quarantined: number;
  /** The newest of them. */
  readonly quarantine: readonly QuarantineListed[];
  readonly holds: HoldsListed;
}

/** Holds that have not ended, and what would be deleted but for them. */
export interface HoldsListed {
  readonly total: number;
  readonly objects: number;
  readonly bytes: number;
  readonly holds: readonly HoldListed[];
  /** Why nobody knows. */
  readonly unknown?: string;
}

export interface HoldListed {
  readonly fsId: number;
  readonly id: string;
  readonly state: 'stands' | 'ended' | 'doubt';
  readonly reason?: string;
  readonly by?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

/** One server as those who use it saw it last; ages before `nowMs`. */
export interface ServerHealth extends SeenAges {
  /** queue, metadata, or the name of a bucket. */
  readonly name: string;
  /** unknown: nobody has asked it lately. */
  readonly state: 'ok' | 'failing' | 'unknown';
  /** Of so many workers, so many meet failures. */
  readonly workers?: { readonly failing: number; readonly all: number };
}

export interface Health {
  readonly servers: readonly ServerHealth[];
  /** Why workers cannot work, with the number of those who say so. */
  readonly notReady: readonly { readonly code: string; readonly what: string; readonly workers: number }[];
  /** Workers that reported within the last minute. */
  readonly reports: number;
}

export interface QuarantineListed extends QuarantineEntry {
  readonly fsId: number;
  readonly inodeId: string;
}
