/**
 * A volume of slices as a scan walks it: what the worker's planner says of each list, with the lists as the walk meets them. It
 * must decide nothing about the queue.
 */
import { slicePolicyOf } from '../compact/compact-slices.ts';
import { footprintOf, planSlices, type ReferencesOf, type SliceGeometry } from '../layout/slices/index.ts';
import { COMMIT_RECORDS_MAX } from '../metadata/slice-commits.ts';
import type { SliceVolume, WalkPart } from '../metadata/slice-volume.ts';
import { NO_BACKLOG } from '../scan-port.ts';
import { wallMs } from '../time.ts';
import { FileSum, type Finding, unreadable } from './score.ts';
import type { ScanWalk, WalkContext } from './types.ts';

interface Met {
  readonly part: WalkPart;
  readonly referencesOf: ReferencesOf;
}

export function walkOfSlices(volume: SliceVolume, geometry: SliceGeometry): ScanWalk<Met> {
  return {
    async *pages(_, cursor) {
      for await (const { parts, referencesOf, ...page } of volume.walk(cursor))
        yield { ...page, items: parts.map((part) => ({ part, referencesOf })) };
    },
    async *findings(items, context) {
      for (const met of items) {
        const finding = findingOf(met, geometry, context);
        if (finding !== null) yield finding;
      }
    },
  };
}

/** `null`: no file, or one that is deleted. Of a file that is met in several parts each is a finding. */
function findingOf({ part, referencesOf }: Met, geometry: SliceGeometry, context: WalkContext): Finding | null {
  const { fsId } = context.filesystem;
  if (part.kind === 'damaged') {
    // Its file is met, too, unless it is the file that cannot be read.
    const backlog = { ...NO_BACKLOG, unreadable: 1 };
    return { ...unreadable({ fsId, inodeId: part.inodeId }, part.error), backlog };
  }
  if (part.kind !== 'file' || part.file.state === 'unlinked') return null;
  const policy = slicePolicyOf(context.policy, wallMs(context.nowMs) - part.file.mtimeMs);
  const sum = new FileSum();
  for (const { records } of part.lists) {
    const head = records.slice(0, COMMIT_RECORDS_MAX);
    sum.keeps(footprintOf(records, geometry, { referencesOf }));
    const plan = planSlices(head, { geometry, referencesOf, policy });
    if (plan !== null) sum.planned(plan, plan.gain.recordsBefore);
  }
  return sum.finding({ fsId, inodeId: part.file.inodeId }, part.first ? 1 : 0);
}
