/**
 * The waste of a volume by a walk of its own that is bounded each time: a few seconds at most, and the next look goes on
 * where it stood. What a whole walk found is shown until the next one has come to its end. It reads metadata only.
 */
import type { SliceVolume, VolumeSetting } from '../../metadata/slice-volume.ts';
import { type WasteOrder, type WasteReport, WasteWalk } from '../../waste/waste.ts';

/** Files that are listed. */
const FILES_MAX = 100;
/** A walk goes on for so long at a time. */
const STEP_MS = 2_000;
/** A whole volume is no small thing to read: a new walk begins only when the last one is so old. */
const FRESH_MS = 10 * 60_000;

export interface VolumeSeen {
  readonly setting: VolumeSetting;
  readonly report: (order: WasteOrder) => WasteReport;
  /** How long ago the walk that is shown ended; absent: none has yet, and this is what it found so far. */
  readonly ageMs?: number;
  /** Files that the walk under way has come by; absent: none is under way. */
  readonly files?: number;
}

export interface VolumeWalkDeps {
  readonly volume: SliceVolume;
  readonly monotonicMs: () => number;
  readonly stepMs?: number;
}

export class VolumeWalk {
  readonly #deps: VolumeWalkDeps;
  #walk: WasteWalk | undefined;
  #whole: { readonly walk: WasteWalk; readonly endedMs: number } | undefined;

  constructor(deps: VolumeWalkDeps) {
    this.#deps = deps;
  }

  /** Walks for a moment and tells what is known. Call it one at a time. Throws what the volume throws. */
  async look(): Promise<VolumeSeen> {
    const { volume, monotonicMs } = this.#deps;
    const setting = await volume.setting();
    const isOld = this.#whole === undefined || monotonicMs() - this.#whole.endedMs > FRESH_MS;
    if (isOld) await this.#goOn(setting);
    const shown = this.#whole?.walk ?? this.#walk;
    if (shown === undefined) throw new TypeError('a walk has neither begun nor ended');
    return {
      setting,
      report: (order) => shown.report(order),
      ...(this.#whole === undefined ? {} : { ageMs: monotonicMs() - this.#whole.endedMs }),
      ...(this.#walk === undefined ? {} : { files: this.#walk.files }),
    };
  }

  async #goOn(geometry: VolumeSetting): Promise<void> {
    const { volume, monotonicMs, stepMs = STEP_MS } = this.#deps;
    const walk = this.#walk ?? new WasteWalk(volume, { geometry, top: FILES_MAX });
    // One that a fault has ended cannot go on: the next look begins anew.
    this.#walk = undefined;
    const endMs = monotonicMs() + stepMs;
    let more = await walk.next();
    while (more && monotonicMs() < endMs) more = await walk.next();
    if (more) this.#walk = walk;
    else this.#whole = { walk, endedMs: monotonicMs() };
  }
}
