/**
 * What a scan is given and what it tells. It holds no behaviour.
 */
import type { Clock } from '../clock.ts';
import type { AgeSource } from '../compact/choose-chunks.ts';
import type { CompactError } from '../errors.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { Filesystem, InodeKey, PlanPolicy } from '../model.ts';
import type { Backlog, ScanBook, ScanGate, ScanQuarantine, ScanQueue } from '../scan-port.ts';
import type { LedgerMs } from '../time.ts';
import type { Finding } from './score.ts';
import type { TopOrder, WorstInode } from './top-inodes.ts';

/** A part of a walk; see `InodePage` for the cursor; absent: there is no going on from behind this page. */
export interface WalkedPage<Item> {
  readonly items: readonly Item[];
  readonly cursor?: string | null;
  readonly restarted: boolean;
}

export interface WalkContext {
  readonly policy: PlanPolicy;
  readonly filesystem: Filesystem;
  /** When the scan began, or went on. */
  readonly nowMs: LedgerMs;
}

/** How the files of a layout are met, and what the planner says of some of them. */
export interface ScanWalk<Item> {
  pages(fsId: number, cursor?: string): AsyncIterable<WalkedPage<Item>>;
  findings(items: readonly Item[], context: WalkContext): AsyncIterable<Finding>;
}

export interface ScanDeps extends ScanParts {
  readonly metadata: MetadataStore;
}

/** What every scan needs, whatever the layout. */
export interface ScanParts {
  readonly queue: ScanQueue;
  readonly control: ScanGate;
  readonly quarantine: ScanQuarantine;
  readonly book: ScanBook;
  readonly clock: Clock;
  /** The queue's clock, for what is kept. */
  readonly nowMs: () => Promise<LedgerMs>;
  /** Tells what is at rest when the scan begins; absent: that is not known. */
  readonly ledger?: AgeSource;
  /** Asked before anything is queued: throws where the bucket is known to belong to another (docs/adr/0019): each job would fail. */
  readonly refuseOther?: (filesystem: Filesystem) => Promise<void>;
}

export interface ScanOptions {
  readonly policy: PlanPolicy;
  /** The queue is fed while fewer jobs wait in it. */
  readonly queueMax: number;
  /** Batches of inodes that are read and planned side by side. */
  readonly concurrency: number;
  /** How long the metadata service or the queue may be away before the scan gives up, ms. */
  readonly patienceMs: number;
  /** Look only: nothing is queued and nothing is kept. */
  readonly dryRun?: boolean;
  /** Start where an earlier scan stopped; default true. */
  readonly resume?: boolean;
  /** The worst inodes to tell. */
  readonly top?: number;
  /** What makes them the worst; default `score`. */
  readonly topBy?: TopOrder;
  /** Who scans, for those who ask later. */
  readonly by: string;
  readonly signal?: AbortSignal;
  /** Somebody else has this scan now: nothing of it is saved any more. To be given beside `signal`, which ends the scan. */
  readonly lost?: AbortSignal;
  readonly onProgress?: (progress: ScanProgress) => void;
  /** An inode that cannot be read; the scan goes on. */
  readonly onUnreadable?: (key: InodeKey, error: CompactError) => void;
  /** Something is away; the scan waits. */
  readonly onWait?: (error: CompactError) => void;
  /** Finds that are held at most; for tests. */
  readonly heldMax?: number;
}

export interface ScanProgress {
  readonly backlog: Backlog;
  readonly queued: number;
  /** Worth a run, and not queued yet. */
  readonly held: number;
  readonly walking: boolean;
}

/** done: the whole file system. paused: somebody paused it. stopped: by a signal. The next scan goes on after the last two. */
export type ScanEnding = 'done' | 'paused' | 'stopped';

export interface ScanReport {
  readonly ending: ScanEnding;
  readonly fsId: number;
  readonly backlog: Backlog;
  /** Jobs that this scan put into the queue; others were in flight already. */
  readonly queued: number;
  /** Inodes that an earlier scan had looked at, where this one went on. */
  readonly resumedInodes: number;
  /** How often the walk had to begin anew. */
  readonly restarts: number;
  readonly top: readonly WorstInode[];
  readonly durationMs: number;
}
