/**
 * The waste of a volume by a walk of its own: the first who looks begins it, it goes on to its end, and a page waits for it a
 * moment at most. What a whole walk found is shown until the next one has come to its end. It reads metadata only.
 */
import { endsWithin } from '../../clock.ts';
import { throwIfCancelled } from '../../errors.ts';
import type { SliceVolume, VolumeSetting } from '../../metadata/slice-volume.ts';
import type { PlacedWaste } from '../../view/slices/waste.ts';
import { type WasteOrder, type WasteReport, WasteWalk } from '../../waste/waste.ts';

/** Files that are listed. */
const FILES_MAX = 100;
/** A page waits for so long for the end of a walk, and for paths: they may take the reading of large directories. */
const WAIT_MS = 2_000;
/** A whole volume is no small thing to read: a new walk begins only when the last one is so old. */
const FRESH_MS = 10 * 60_000;
/** While a walk goes on it finds others. */
const PATHS_MAX = 10 * FILES_MAX;

export interface VolumeSeen {
  readonly setting: VolumeSetting;
  readonly report: (order: WasteOrder) => WasteReport;
  /** How long ago the walk that is shown ended; absent: none has yet, and this is what it found so far. */
  readonly ageMs?: number;
  /** Files that the walk under way has come by; absent: none is under way. */
  readonly files?: number;
}

export type PlacedSeen = VolumeSeen & { readonly top: readonly PlacedWaste[] };

interface VolumeWalkDeps {
  readonly volume: SliceVolume;
  readonly monotonicMs: () => number;
  /** Ends a walk that is under way. */
  readonly signal: AbortSignal;
  readonly waitMs?: number;
}

export class VolumeWalk {
  readonly #deps: VolumeWalkDeps;
  #underWay: { readonly walk: WasteWalk; readonly ended: Promise<void> } | undefined;
  #whole: { readonly walk: WasteWalk; readonly endedMs: number } | undefined;
  /** Those that were looked for since the last walk ended. */
  readonly #paths = new Map<bigint, string | null>();
  #placing: Promise<void> | undefined;

  constructor(deps: VolumeWalkDeps) {
    this.#deps = deps;
  }

  /** What is known. Throws what the volume throws, also for a walk that ended so while nobody looked: the next begins anew. */
  async look(): Promise<VolumeSeen> {
    const { volume, monotonicMs, waitMs = WAIT_MS } = this.#deps;
    const setting = await volume.setting();
    if (this.#whole === undefined || monotonicMs() - this.#whole.endedMs > FRESH_MS) {
      this.#underWay ??= this.#begun(setting);
      try {
        await endsWithin(this.#underWay.ended, waitMs);
      } catch (error) {
        this.#underWay = undefined;
        throw error;
      }
    }
    const shown = this.#whole?.walk ?? this.#underWay?.walk;
    if (shown === undefined) throw new TypeError('a walk has neither begun nor ended');
    return {
      setting,
      report: (order) => shown.report(order),
      ...(this.#whole === undefined ? {} : { ageMs: monotonicMs() - this.#whole.endedMs }),
      ...(this.#underWay === undefined ? {} : { files: this.#underWay.walk.files }),
    };
  }

  /** The same, with the worst files and the paths that are known of them. */
  async worst(order: WasteOrder): Promise<PlacedSeen> {
    const seen = await this.look();
    const { top } = seen.report(order);
    const { waitMs = WAIT_MS } = this.#deps;
    const unknown = top.map(({ inodeId }) => inodeId).filter((inodeId) => !this.#paths.has(inodeId));
    if (unknown.length > 0 && this.#placing === undefined) {
      this.#placing = this.#place(unknown).finally(() => {
        this.#placing = undefined;
      });
      // Those of a page that did not wait for it.
      this.#placing.catch(() => undefined);
    }
    if (this.#placing !== undefined) await endsWithin(this.#placing, waitMs);
    return { ...seen, top: top.map((file) => ({ ...file, path: this.#paths.get(file.inodeId) ?? null })) };
  }

  async #place(inodeIds: readonly bigint[]): Promise<void> {
    const found = await this.#deps.volume.pathsOf(inodeIds);
    if (this.#paths.size > PATHS_MAX) this.#paths.clear();
    for (const inodeId of inodeIds) this.#paths.set(inodeId, found.get(inodeId) ?? null);
  }

  #begun(geometry: VolumeSetting) {
    const walk = new WasteWalk(this.#deps.volume, { geometry, top: FILES_MAX });
    const ended = this.#toTheEnd(walk);
    // Whoever looks next hears of it.
    ended.catch(() => undefined);
    return { walk, ended };
  }

  async #toTheEnd(walk: WasteWalk): Promise<void> {
    while (await walk.next()) throwIfCancelled(this.#deps.signal, 'the console ends');
    this.#whole = { walk, endedMs: this.#deps.monotonicMs() };
    this.#underWay = undefined;
    // Files may have been renamed.
    this.#paths.clear();
  }
}
