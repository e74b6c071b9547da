/**
 * compactSlices: one run over one file of a volume of slices, in one budget: which of its chunks are worth it, one attempt for
 * each, and what came of them. The other layout's run is compact-inode.ts (docs/adr/0041). It sees ports only and never
 * deletes anything.
 */
import { CompactError, isMissingObject } from '../errors.ts';
import { planSlices, type SlicePlan, type SlicePolicy, type SliceRecord } from '../layout/slices/index.ts';
import { REST_MS } from '../ledger.ts';
import { COMMIT_RECORDS_MAX } from '../metadata/slice-commits.ts';
import type { SliceFile, SliceVolume, VolumeSetting } from '../metadata/slice-volume.ts';
import type { InodeKey, PlanGain, PlanPolicy, Resting } from '../model.ts';
import type { BlockCodec, ObjectStore } from '../objects/port.ts';
import { movedBytes, REST_FACTOR, requestsOf } from '../plan/index.ts';
import { wallMs } from '../time.ts';
import { bestChunks, type Selection } from './choose-chunks.ts';
import { RunTally } from './run-tally.ts';
import { compactSliceChunk, type SliceAttemptDeps, type SliceChunk, type SliceWorkDeps } from './slice-attempt.ts';
import { requireCompactable } from './slice-refusals.ts';
import type { CompactOptions, CompactResult } from './types.ts';

export interface SliceDeps extends SliceWorkDeps {
  readonly volume: SliceVolume;
  /** The bucket of the volume. */
  readonly objectsOf: (setting: VolumeSetting) => ObjectStore;
  /** How its blocks become objects, where they are compressed or encrypted. Throws where its key cannot be used. */
  readonly codecOf: (setting: VolumeSetting) => Promise<BlockCodec | undefined>;
}

/** Compacts the most worthwhile chunks of one file within the limits. Throws CompactError, with the inode. */
export async function compactSlices(key: InodeKey, deps: SliceDeps, options: CompactOptions): Promise<CompactResult> {
  try {
    const setting = await settingNow(deps.volume);
    const run = new Run({ key, setting, codec: await deps.codecOf(setting), deps, options });
    return await run.run(await requireSliceFile(key.inodeId, deps.volume));
  } catch (error) {
    throw error instanceof CompactError ? error.withInode(key) : error;
  }
}

/** Days of the trash, and what must be refused, may have been changed since it was read last. */
async function settingNow(volume: SliceVolume): Promise<VolumeSetting> {
  const setting = await volume.setting();
  requireCompactable(setting);
  return setting;
}

/** A file to work on. Throws `inode-missing`, `inode-not-s3` or `inode-unlinked` (halt). */
export async function requireSliceFile(inodeId: bigint, volume: SliceVolume): Promise<SliceFile> {
  const found = await volume.inode(inodeId);
  if (found === null) throw halt('it does not exist (any more)', 'inode-missing');
  if (found.file === null) throw halt(`it is a ${found.type} and no file`, 'inode-not-s3');
  if (found.file.state === 'unlinked') throw halt('it was deleted', 'inode-unlinked');
  return found.file;
}

function halt(why: string, code: CompactError['code']): CompactError {
  return new CompactError(`${why}; nothing was changed`, { kind: 'halt', code });
}

interface PlannedHead extends SliceChunk {
  /** The list is longer than what one commit can replace. */
  readonly more: boolean;
}

interface RunParts {
  readonly key: InodeKey;
  readonly setting: VolumeSetting;
  readonly codec: BlockCodec | undefined;
  readonly deps: SliceDeps;
  readonly options: CompactOptions;
}

class Run {
  readonly #parts: RunParts;
  readonly #tally: RunTally;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#tally = new RunTally(parts.key, parts.deps.clock, parts.options);
  }

  async run(file: SliceFile): Promise<CompactResult> {
    const { deps, options } = this.#parts;
    options.observer?.phase('plan');
    const nowMs = wallMs(await deps.ledger.nowMs());
    const policy = slicePolicyOf(options.limits.policy, nowMs - file.mtimeMs);
    const selection = await this.#worthwhile(file, policy, nowMs);
    this.#tally.selected(selection);
    await this.#tally.forEach(selection.chunks, (chunkIndex) => this.#chunk(chunkIndex, policy));
    return this.#tally.result();
  }

  async #worthwhile(file: SliceFile, policy: SlicePolicy, nowMs: number): Promise<Selection> {
    const { deps, options } = this.#parts;
    const { chunksMax, policy: asSet } = options.limits;
    const atRest = slicePolicyOf(asSet, REST_MS);
    let later = 0;
    const how = { chunksMax, signal: options.signal };
    const selection = await bestChunks(await deps.volume.chunkIndexes(file), how, async (chunkIndex) => {
      const planBy = await this.#read(chunkIndex);
      const planned = planBy(policy);
      if (planned === null && atRest.bytesPerGet > policy.bytesPerGet && planBy(atRest) !== null) later++;
      return planned?.plan ?? null;
    });
    return later === 0 ? selection : { ...selection, resting: restingOf(later, file, nowMs) };
  }

  /** The head of a list as it is now, to be planned; `null`: nothing is worth doing. */
  async #read(chunkIndex: number): Promise<(policy: SlicePolicy) => PlannedHead | null> {
    const { key, deps, setting } = this.#parts;
    const records = await deps.volume.list(key.inodeId, chunkIndex);
    const replaced = records.slice(0, COMMIT_RECORDS_MAX);
    checkSizes(replaced, { key, chunkIndex });
    const referencesOf = await deps.volume.references(replaced);
    const head = { key, chunkIndex, replaced, more: records.length > replaced.length };
    return (policy) => {
      const plan = planSlices(replaced, { geometry: setting, policy, referencesOf });
      return plan === null ? null : { ...head, plan };
    };
  }

  /** `false`: no other chunk is tried. */
  async #chunk(chunkIndex: number, policy: SlicePolicy): Promise<boolean> {
    try {
      this.#parts.options.observer?.phase('plan', chunkIndex);
      const planned = (await this.#read(chunkIndex))(policy);
      if (planned === null) return true;
      const over = this.#overBudget(planned.plan);
      if (over !== null) {
        this.#tally.overBudget(over, chunkIndex);
        return true;
      }
      const ending = await compactSliceChunk(planned, this.#attemptDeps());
      const { plan, more, replaced } = planned;
      const isShorter = replaced.length > plan.kept.length + plan.merged.length;
      this.#tally.ended({ chunkIndex, gain: gainOf(plan), blocksLeft: 0 }, ending, more && isShorter);
      return ending.outcome === 'committed' || ending.outcome === 'conflict';
    } catch (error) {
      if (!(error instanceof CompactError)) throw error;
      this.#tally.failed(error, chunkIndex);
      return isMissingObject(error);
    }
  }

  /** `null`: it fits what is left of the budget. */
  #overBudget({ cost }: SlicePlan): { readonly cheapestBytes: number; readonly cheapestRequests: number } | null {
    const { bytesMax, requestsMax } = this.#parts.options.limits;
    const [bytes, requests] = [movedBytes(cost), requestsOf(cost)];
    const spent = this.#tally.cost;
    if (movedBytes(spent) + bytes <= bytesMax && requestsOf(spent) + requests <= requestsMax) return null;
    return { cheapestBytes: bytes, cheapestRequests: requests };
  }

  #attemptDeps(): SliceAttemptDeps {
    const { deps, options, setting, codec } = this.#parts;
    const { limits } = options;
    return {
      ...deps,
      ...limits,
      setting,
      requireAllowed: () => settingNow(deps.volume),
      objects: deps.objectsOf(setting),
      codec,
      readGapBytes: limits.policy.readGapBytes,
      observer: options.observer,
      signal: options.signal,
      onBlock: ({ block }) => this.#tally.blockDone(block),
    };
  }
}

/** One slice has one size; a list that says otherwise is not touched. */
function checkSizes(
  records: readonly SliceRecord[],
  { key, chunkIndex }: { readonly key: InodeKey; readonly chunkIndex: number },
): void {
  const sizes = new Map<bigint, number>();
  for (const [position, { id, size }] of records.entries()) {
    const known = sizes.get(id) ?? size;
    sizes.set(id, known);
    if (known === size || id === 0n) continue;
    throw new CompactError(
      `inode ${key.inodeId}, chunk ${chunkIndex}, record ${position}: slice ${id} has ${size} bytes here and ${known} in another record; nothing was changed`,
      { kind: 'halt', code: 'record-malformed', inode: key },
    );
  }
}

/**
 * The dials of all plans. `quietMs`: since the file was last written, by its client's clock; a wrong one costs bytes that are
 * moved, or waits with them, and nothing else (docs/adr/0040).
 */
export function slicePolicyOf(policy: PlanPolicy, quietMs: number): SlicePolicy {
  const { bytesPerGet = Number.MAX_SAFE_INTEGER, storagePrice = 0, fragmentThreshold } = policy;
  const factor = storagePrice > 0 && quietMs >= REST_MS ? REST_FACTOR : 1;
  return { fragmentThreshold, bytesPerGet: bytesPerGet * factor, storagePrice };
}

/** Of a file that was written lately, by its client's clock. */
export function restingOf(chunks: number, { mtimeMs }: SliceFile, nowMs: number): Resting {
  return { chunks, afterMs: nowMs - REST_MS, againMs: mtimeMs + REST_MS };
}

/** In the words of all reports: a record is a version. */
function gainOf({ gain, kept, merged }: SlicePlan): PlanGain {
  const { recordsBefore, recordsAfter, ...others } = gain;
  const visibleBytes = [...kept, ...merged].reduce((sum, { begin, end }) => sum + end - begin, 0);
  return { ...others, versionsBefore: recordsBefore, versionsAfter: recordsAfter, visibleBytes };
}
