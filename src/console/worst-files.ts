/**
 * The worst files of a file system, by a walk of its own that is bounded each time: a few seconds at most, and the next
 * look goes on where it stood. One walk runs at a time, whoever asks. It reads metadata only, and plans as a scan does.
 */
import { type AgeSource, withRest } from '../compact/choose-chunks.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import { type InodePage, LIST_VERSIONS_MAX, type MetadataStore } from '../metadata/port.ts';
import type { Filesystem, PlanPolicy } from '../model.ts';
import { InodeScore, type ReadCost } from '../scan/score.ts';
import { rankingOf, Worst, type WorstInode } from '../scan/top-inodes.ts';

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

  /** Walks for a moment and tells what is known. Call it one at a time. Throws what the metadata store throws. */
  async look(fsId: number): Promise<WorstFiles> {
    const walk = await this.#walkOf(fsId);
    if (walk.cursor !== null) await this.#goOn(walk);
    const { filesystem, worst, looked, worthIt, cursor } = walk;
    return { filesystem, files: worst.list(), looked, worthIt, whole: cursor === null };
  }

  async #walkOf(fsId: number): Promise<Walk> {
    const { metadata, monotonicMs } = this.#deps;
    const filesystem = await requireFilesystem(metadata, fsId);
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

  /** Whole pages only: the cursor stands behind one. */
  async #goOn(walk: Walk): Promise<void> {
    const { metadata, ledger, monotonicMs, stepMs = STEP_MS } = this.#deps;
    const policy = await withRest(this.#deps.policy, walk.filesystem, { ledger, lookOnly: true });
    const endMs = monotonicMs() + stepMs;
    for await (const page of metadata.inodePages(walk.filesystem.fsId, walk.cursor ?? undefined)) {
      await this.#lookAt(page, walk, policy);
      walk.cursor = page.cursor;
      if (page.cursor === null || monotonicMs() > endMs) break;
    }
    if (walk.cursor === null) walk.endedMs = monotonicMs();
  }

  async #lookAt({ keys }: InodePage, walk: Walk, policy: PlanPolicy): Promise<void> {
    const { metadata } = this.#deps;
    for (let from = 0; from < keys.length; from += BATCH_INODES) {
      const score = new InodeScore({ metadata, filesystem: walk.filesystem, policy });
      for await (const part of metadata.readLists(keys.slice(from, from + BATCH_INODES), LIST_VERSIONS_MAX)) {
        const finding = await score.add(part);
        if (finding === null) continue;
        walk.looked++;
        if (finding.score <= 0) continue;
        walk.worthIt++;
        walk.worst.add(finding);
      }
    }
  }
}
