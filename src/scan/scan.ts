/**
 * scan: walks the inodes of a file system, scores each with the worker's own planner, and queues what is worth a run, the
 * best first, no faster than it is worked off. It changes nothing but the queue and its own notes, so it may be stopped or
 * killed at any moment and run twice at once: a later scan goes on where it stood, and what is in flight is not queued again.
 */

import { withRest } from '../compact/choose-chunks.ts';
import { CompactError } from '../errors.ts';
import { printInodeKey } from '../format.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import { LIST_VERSIONS_MAX, type MetadataStore } from '../metadata/port.ts';
import type { Filesystem, InodeKey, PlanPolicy } from '../model.ts';
import { addCounts } from '../plan/index.ts';
import { NO_BACKLOG, type ScanPosition } from '../scan-port.ts';
import { elapsed, type LedgerMs, ledgerMs, type MonotonicMs } from '../time.ts';
import { Feed } from './feed.ts';
import { Pages, type PageWork } from './pages.ts';
import { Patience } from './patience.ts';
import { type Finding, InodeScore } from './score.ts';
import { rankingOf, Worst, type WorstInode } from './top-inodes.ts';
import type { ScanDeps, ScanEnding, ScanOptions, ScanParts, ScanReport, ScanWalk, WalkedPage } from './types.ts';

/** One batch of inodes: some 5 ms of planning, and two round trips. */
const BATCH_INODES = 250;
const SAVE_EVERY_MS = 2_000;
/** Between two looks at a queue that is full, or at finds that are still to come. */
const REST_MS = { full: 250, empty: 25 } as const;
/** A position that is older says too little of what is there now. */
const POSITION_AGE_MAX_MS = 24 * 3_600_000;
/** Calls that queue what is held when a scan ends early: within the time that a pod has to end. */
const FLUSHES_MAX = 20;
/** Walks that had to begin anew (I8). */
const RESTARTS_MAX = 20;

/**
 * Scans one file system. Memory does not grow with it. Throws CompactError `filesystem-missing` (halt), or what kept the
 * metadata service or the queue away for too long; where it stood is kept then too.
 */
export async function scanFilesystem(fsId: number, deps: ScanDeps, options: ScanOptions): Promise<ScanReport> {
  const filesystem = await requireFilesystem(deps.metadata, fsId);
  return new Scan(filesystem, { ...deps, walk: walkOfBlocks(deps.metadata) }, options).run();
}

interface WalkParts<Item> extends ScanParts {
  readonly walk: ScanWalk<Item>;
}

/** The same of files that are met by another walk. */
export function scanWalk<Item>(
  filesystem: Filesystem,
  deps: WalkParts<Item>,
  options: ScanOptions,
): Promise<ScanReport> {
  return new Scan(filesystem, deps, options).run();
}

function walkOfBlocks(metadata: MetadataStore): ScanWalk<InodeKey> {
  return {
    async *pages(fsId, cursor) {
      for await (const { keys, ...page } of metadata.inodePages(fsId, cursor)) yield { ...page, items: keys };
    },
    async *findings(keys, context) {
      const score = new InodeScore({ ...context, metadata });
      for await (const part of metadata.readLists(keys, LIST_VERSIONS_MAX)) {
        const finding = await score.add(part);
        if (finding !== null) yield finding;
      }
    },
  };
}

class Scan<Item> {
  readonly #filesystem: Filesystem;
  readonly #deps: WalkParts<Item>;
  readonly #options: ScanOptions;
  readonly #feed: Feed;
  readonly #patience: Patience;
  readonly #worst: Worst<WorstInode>;
  readonly #running = new Set<Promise<void>>();
  /** With what is at rest when the scan begins: what comes to rest later is for the next one. */
  #policy: PlanPolicy;
  /** Ends the walk and the batches when the feeding has failed, or nobody wants any more. */
  readonly #stop = new AbortController();
  #pages = new Pages({ cursor: undefined, backlog: NO_BACKLOG });
  #walking = true;
  #failure: unknown;
  #restarts = 0;
  #startedMs: LedgerMs = ledgerMs(0);
  /** Later where it goes on. */
  #resumedMs: LedgerMs = ledgerMs(0);
  #savedAtMs: MonotonicMs;
  #saved: string | null | undefined;

  constructor(filesystem: Filesystem, deps: WalkParts<Item>, options: ScanOptions) {
    this.#filesystem = filesystem;
    this.#deps = deps;
    this.#options = options;
    this.#policy = options.policy;
    this.#feed = new Feed(deps, { fsId: filesystem.fsId, ...options });
    this.#patience = new Patience(deps.clock, { ...options, signal: this.#stop.signal });
    this.#worst = new Worst(options.top ?? 0, rankingOf(options.topBy));
    this.#savedAtMs = deps.clock.monotonicMs();
  }

  async run(): Promise<ScanReport> {
    const startedAtMs = this.#deps.clock.monotonicMs();
    const { signal } = this.#options;
    const stop = () => this.#stop.abort();
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted === true) stop();
    try {
      const position = await this.#patience.with(() => this.#position());
      if (position !== null) this.#pages = new Pages(position);
      const ending = await this.#scan(position);
      return {
        ending,
        fsId: this.#filesystem.fsId,
        backlog: this.#pages.backlog,
        queued: this.#feed.queued,
        resumedInodes: position?.backlog.inodes ?? 0,
        restarts: this.#restarts,
        top: this.#worst.list(),
        durationMs: Math.round(elapsed(startedAtMs, this.#deps.clock.monotonicMs())),
      };
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  async #scan(position: ScanPosition | null): Promise<ScanEnding> {
    const { fsId } = this.#filesystem;
    const isReal = this.#options.dryRun !== true;
    const ages = { ledger: this.#deps.ledger, lookOnly: !isReal };
    this.#policy = await this.#patience.with(() => withRest(this.#policy, this.#filesystem, ages));
    if (isReal) await this.#deps.refuseOther?.(this.#filesystem);
    if (isReal && (await this.#patience.with(() => this.#deps.control.isPaused(fsId)))) return 'paused';
    const walk = this.#walk(position?.cursor).catch((error: unknown) => this.#fail(error));
    let ending: ScanEnding = 'stopped';
    try {
      ending = await this.#feedAll();
    } catch (error) {
      this.#fail(error);
    }
    if (ending !== 'done') this.#stop.abort();
    await walk;
    if (ending === 'stopped') await this.#saveWhatIsHeld();
    if (this.#failure !== undefined) throw this.#failure;
    await this.#patience.with(() => this.#end(ending));
    return ending;
  }

  async #position(): Promise<ScanPosition | null> {
    const { dryRun = false, resume = true } = this.#options;
    this.#startedMs = await this.#deps.nowMs();
    this.#resumedMs = this.#startedMs;
    if (dryRun || !resume) return null;
    const position = await this.#deps.book.position(this.#filesystem.uuid);
    if (position === null || elapsed(position.savedMs, this.#startedMs) > POSITION_AGE_MAX_MS) return null;
    this.#startedMs = position.startedMs;
    return position;
  }

  /** Until all finds are queued; ends early where that is no longer wanted. */
  async #feedAll(): Promise<ScanEnding> {
    for (;;) {
      if (this.#failure !== undefined || this.#stop.signal.aborted) return 'stopped';
      this.#showProgress();
      const state = await this.#patience.with(() => this.#feed.feed(this.#walking));
      if (state === 'paused') return 'paused';
      if (state === 'empty' && !this.#walking) {
        if (this.#feed.held === 0) return 'done';
        continue;
      }
      await this.#saveNowAndThen();
      if (state !== 'fed') await this.#rest(REST_MS[state]);
    }
  }

  /** All pages; begins anew where the metadata service cannot promise that none was missed. */
  async #walk(from: string | undefined): Promise<void> {
    let cursor: string | null | undefined = from;
    let isInside = false;
    while (cursor !== null) {
      cursor = await this.#patience.with(async () => {
        const start = cursor;
        // What was found behind the last place to go on from would be found again.
        if (isInside) {
          await this.#restart(start);
          cursor = undefined;
          isInside = false;
        }
        for await (const page of this.#deps.walk.pages(this.#filesystem.fsId, cursor ?? undefined)) {
          if (page.restarted) await this.#restart(start);
          await this.#look(page);
          isInside = page.cursor === undefined;
          if (page.cursor !== undefined) cursor = page.cursor;
          this.#patience.progress();
          if (this.#stop.signal.aborted) return null;
        }
        return null;
      });
    }
    await Promise.all(this.#running);
    this.#walking = false;
  }

  /** A position that no longer fits, or a service that came back as another: nothing of before counts. */
  async #restart(cursor: string | null | undefined): Promise<void> {
    await Promise.all(this.#running);
    this.#pages = new Pages({ cursor: undefined, backlog: NO_BACKLOG });
    this.#feed.clear();
    this.#worst.clear();
    this.#restarts++;
    if (this.#restarts <= RESTARTS_MAX) return;
    throw new CompactError(
      `the walk over file system ${this.#filesystem.fsId} had to begin anew ${RESTARTS_MAX} times (last behind ${cursor}): its servers are restarted, or slots move, again and again; scan when they are steady`,
      { kind: 'retry', code: 'metadata-unavailable' },
    );
  }

  /** Starts looking at a page, as soon as there is room for it. */
  async #look({ items, cursor }: WalkedPage<Item>): Promise<void> {
    const batches: Item[][] = [];
    for (let at = 0; at < items.length; at += BATCH_INODES) batches.push(items.slice(at, at + BATCH_INODES));
    const work = this.#pages.begin(cursor, batches.length);
    for (const batch of batches) {
      while (this.#feed.isFull && !this.#stop.signal.aborted) await this.#rest(REST_MS.full);
      while (this.#running.size >= this.#options.concurrency) await Promise.race(this.#running);
      if (this.#stop.signal.aborted) return;
      const task = this.#lookAt(batch, work)
        .catch((error: unknown) => this.#fail(error))
        .finally(() => this.#running.delete(task));
      this.#running.add(task);
    }
  }

  async #lookAt(batch: readonly Item[], work: PageWork): Promise<void> {
    const { findings, quarantined } = await this.#patience.with(async () => {
      const context = { policy: this.#policy, filesystem: this.#filesystem, nowMs: this.#resumedMs };
      const findings: Finding[] = [];
      for await (const finding of this.#deps.walk.findings(batch, context)) findings.push(finding);
      const worthIt = findings.filter((one) => one.score > 0).map(({ key }) => key);
      return { findings, quarantined: await this.#deps.quarantine.among(worthIt, this.#startedMs) };
    });
    this.#patience.progress();
    let sum = NO_BACKLOG;
    for (const { key, score, backlog, error } of findings) {
      if (error !== undefined) this.#options.onUnreadable?.(key, error);
      if (score > 0 && quarantined.has(printInodeKey(key))) {
        const { storedBytes, visibleBytes } = backlog;
        sum = addCounts(sum, { ...NO_BACKLOG, inodes: 1, quarantined: 1, storedBytes, visibleBytes });
        continue;
      }
      sum = addCounts(sum, backlog);
      this.#worst.add({ key, score, backlog });
      if (score > 0 && this.#options.dryRun !== true) this.#feed.add(key, score, work);
    }
    this.#pages.found(work, sum);
    work.outstanding--;
  }

  /** Whatever fails after somebody wanted the scan to stop is of no interest. */
  #fail(error: unknown): void {
    if (this.#options.signal?.aborted !== true) this.#failure ??= error;
    this.#stop.abort();
  }

  async #saveNowAndThen(): Promise<void> {
    if (elapsed(this.#savedAtMs, this.#deps.clock.monotonicMs()) < SAVE_EVERY_MS) return;
    await this.#patience.with(() => this.#save());
    this.#savedAtMs = this.#deps.clock.monotonicMs();
  }

  /** Queues some of what is held, so that the next scan need not find it again. What cannot be kept is walked again. */
  async #saveWhatIsHeld(): Promise<void> {
    try {
      for (let n = 0; n < FLUSHES_MAX && (await this.#feed.feed(false)) === 'fed'; n++);
      await this.#save();
    } catch (error) {
      if (!(error instanceof CompactError)) throw error;
    }
  }

  get #mayNotSave(): boolean {
    return this.#options.dryRun === true || this.#options.lost?.aborted === true;
  }

  /** Keeps the place behind which nothing is done yet, where it has moved. */
  async #save(): Promise<void> {
    const { cursor, backlog } = this.#pages.safe;
    if (this.#mayNotSave || typeof cursor !== 'string' || cursor === this.#saved) return;
    const { by } = this.#options;
    const savedMs = await this.#deps.nowMs();
    const position = { cursor, backlog, by, savedMs, startedMs: this.#startedMs };
    await this.#deps.book.setPosition(this.#filesystem.uuid, position);
    this.#saved = cursor;
  }

  async #end(ending: ScanEnding): Promise<void> {
    this.#showProgress();
    if (this.#mayNotSave) return;
    if (ending !== 'done') return this.#save();
    const endedMs = await this.#deps.nowMs();
    const { fsId, uuid } = this.#filesystem;
    const { backlog } = this.#pages;
    const result = { fsUuid: uuid, backlog, startedMs: this.#startedMs, endedMs, by: this.#options.by };
    await this.#deps.book.setResult(fsId, result);
    await this.#deps.book.setPosition(uuid, null);
  }

  #showProgress(): void {
    if (this.#options.onProgress === undefined) return;
    const { queued, held } = this.#feed;
    this.#options.onProgress({ backlog: this.#pages.backlog, queued, held, walking: this.#walking });
  }

  async #rest(ms: number): Promise<void> {
    await this.#deps.clock.sleep(ms, this.#stop.signal).catch(() => undefined);
  }
}
