/**
 * The worst files of a file system, by a walk of its own that is bounded each time: a few seconds at most, and the next
 * look goes on where it stood. One walk runs at a time, whoever asks. It reads metadata only, and plans as a scan does.
 */
import { type AgeSource, withRest } from '../compact/choose-chunks.ts';
import { throwIfCancelled } from '../errors.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import { type InodePage, LIST_VERSIONS_MAX, type MetadataStore } from '../metadata/port.ts';
import type { Filesystem, PlanPolicy } from '../model.ts';
import { type Finding, InodeScore, type ReadCost, type ScoreContext } from '../scan/score.ts';
import { rankingOf, Worst, type WorstInode } from '../scan/top-inodes.ts';
import { cancellable } from '../wiring/cancellable.ts';

/** Files that are listed. */
export const FILES_MAX = 100;
/** A walk goes on for so long at a time. */
const STEP_MS = 2_000;
/** Inodes that are read at a time. */
const BATCH_INODES = 64;
/** What a finished walk found is shown for so long. */
const FRESH_MS = 60_000;
/** File systems whose walk is remembered; the one looked at longest ago goes. */
const WALKS_MAX = 32;

export interface WorstFile extends WorstInode {
  readonly before: ReadCost;
}

export interface WorstFiles {
  readonly filesystem: Filesystem;
  /** Best score first. */
  readonly files: readonly WorstFile[];
  readonly looked: number;
  readonly worthIt: number;
  /** The whole file system was walked. */
  readonly whole: boolean;
}

interface WorstFilesDeps {
  readonly metadata: MetadataStore;
  readonly policy: PlanPolicy;
  readonly ledger: AgeSource;
  readonly monotonicMs: () => number;
  readonly stepMs?: number;
}

interface Walk {
  readonly filesystem: Filesystem;
  readonly worst: Worst<WorstFile>;
  looked: number;
  worthIt: number;
  /** Behind what was looked at; `null`: the end. */
  cursor: string | null | undefined;
  endedMs: number;
}

export class FileWalks {
  readonly #deps: WorstFilesDeps;
  readonly #walks = new Map<number, Walk>();

  constructor(deps: WorstFilesDeps) {
    this.#deps = deps;
  }

  /**
   * Walks for a moment and tells what is known; ends soon after its signal. Call it one at a time. Throws what the metadata
   * store throws, and `cancelled` (retry).
   */
  async look(fsId: number, signal: AbortSignal): Promise<WorstFiles> {
    const metadata = cancellable(this.#deps.metadata, signal);
    const walk = await this.#walkOf(await requireFilesystem(metadata, fsId));
    if (walk.cursor !== null) await this.#goOn(walk, metadata, signal);
    const { filesystem, worst, looked, worthIt, cursor } = walk;
    return { filesystem, files: worst.list(), looked, worthIt, whole: cursor === null };
  }

  #walkOf(filesystem: Filesystem): Walk {
    const { monotonicMs } = this.#deps;
    const { fsId } = filesystem;
    const known = this.#walks.get(fsId);
    const isOld = known?.cursor === null && monotonicMs() - known.endedMs > FRESH_MS;
    const same = known?.filesystem.uuid === filesystem.uuid && !isOld ? known : undefined;
    const worst = new Worst<WorstFile>(FILES_MAX, rankingOf());
    const walk = same ?? { filesystem, worst, looked: 0, worthIt: 0, cursor: undefined, endedMs: 0 };
    this.#walks.delete(fsId);
    this.#walks.set(fsId, walk);
    const [oldest] = this.#walks.keys();
    if (this.#walks.size > WALKS_MAX && oldest !== undefined) this.#walks.delete(oldest);
    return walk;
  }

  /** Whole pages only: the cursor stands behind one, and a page that was given up is looked at again. */
  async #goOn(walk: Walk, metadata: MetadataStore, signal: AbortSignal): Promise<void> {
    const { ledger, monotonicMs, stepMs = STEP_MS } = this.#deps;
    const policy = await withRest(this.#deps.policy, walk.filesystem, { ledger, lookOnly: true });
    const endMs = monotonicMs() + stepMs;
    for await (const page of metadata.inodePages(walk.filesystem.fsId, walk.cursor ?? undefined)) {
      if (page.restarted) {
        walk.worst.clear();
        [walk.looked, walk.worthIt] = [0, 0];
      }
      let [looked, worthIt] = [0, 0];
      for await (const finding of findingsOf(page, { metadata, filesystem: walk.filesystem, policy }, signal)) {
        looked++;
        if (finding.score <= 0) continue;
        worthIt++;
        walk.worst.add(finding);
      }
      walk.looked += looked;
      walk.worthIt += worthIt;
      walk.cursor = page.cursor;
      if (page.cursor === null || monotonicMs() > endMs) break;
    }
    if (walk.cursor === null) walk.endedMs = monotonicMs();
  }
}

async function* findingsOf({ keys }: InodePage, context: ScoreContext, signal: AbortSignal): AsyncGenerator<Finding> {
  for (let from = 0; from < keys.length; from += BATCH_INODES) {
    const score = new InodeScore(context);
    const batch = keys.slice(from, from + BATCH_INODES);
    for await (const part of context.metadata.readLists(batch, LIST_VERSIONS_MAX)) {
      throwIfCancelled(signal, 'the page was given up');
      const finding = await score.add(part);
      if (finding !== null) yield finding;
    }
  }
}
