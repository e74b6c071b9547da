/**
 * The waste of a volume in words and numbers: the worst files, the sums, what is to be said of them. The terminal and the
 * console draw the same rows. It words what `src/waste` counts, and asks only for paths.
 */
import type { SliceVolume, VolumeSetting } from '../../metadata/slice-volume.ts';
import type { FileWaste, WasteReport, WasteSum } from '../../waste/waste.ts';
import { bytes, count, plural, printable } from '../words.ts';

export interface PlacedWaste extends FileWaste {
  /** `null`: not found with little work. */
  readonly path: string | null;
}

export async function withPaths(volume: SliceVolume, files: readonly FileWaste[]): Promise<readonly PlacedWaste[]> {
  const paths = await volume.pathsOf(files.map(({ inodeId }) => inodeId));
  return files.map((file) => ({ ...file, path: paths.get(file.inodeId) ?? null }));
}

export const WORST_HEADS = ['visible', 'stored', 'hidden', 'GETs', 'least'] as const;

/** Of one of the worst files, under WORST_HEADS. */
export function worstCells({ visibleBytes, storedBytes, hiddenBytes, gets, getsLeast }: FileWaste): readonly string[] {
  return [
    bytes(visibleBytes),
    bytes(Math.round(storedBytes)),
    bytes(Math.round(hiddenBytes)),
    count(gets),
    count(getsLeast),
  ];
}

export function placeText({ path, state }: PlacedWaste): string {
  return `${path === null ? '?' : printable(path)}${state === 'unlinked' ? ' (deleted, still open)' : ''}`;
}

export const SUM_HEADS = ['files', 'length', 'stored', 'hidden', 'shared', 'objects'] as const;

/** Each kind of files and of slices that wait, under SUM_HEADS; those that there are none of are left out. */
export function sumRows({ live, trash, unlinked, gone, waiting }: WasteReport): readonly (readonly string[])[] {
  const row = (name: string, { files, length, storedBytes, hiddenBytes, sharedBytes, objects }: WasteSum) => [
    name,
    count(files),
    bytes(length),
    bytes(storedBytes),
    bytes(hiddenBytes),
    bytes(sharedBytes),
    count(objects),
  ];
  const slices = (name: string, { storedBytes, slices: many }: WasteReport['waiting']['pending']) => [
    name,
    '',
    '',
    bytes(Math.round(storedBytes)),
    '',
    '',
    plural(many, 'slice'),
  ];
  return [
    row('files', live),
    ...(trash.files > 0 ? [row('in the trash', trash)] : []),
    ...(unlinked.files > 0 ? [row('deleted, still open', unlinked)] : []),
    ...(gone.storedBytes > 0 ? [row('deleted, not cleaned up', { ...gone, files: waiting.files.count })] : []),
    ...(waiting.delayed.slices > 0 ? [slices('replaced, delete delayed', waiting.delayed)] : []),
    ...(waiting.pending.slices > 0 ? [slices('unreferenced, to be deleted', waiting.pending)] : []),
  ];
}

/** What there is to be said of the sums, a sentence each. */
export function wasteNotes(report: WasteReport, setting: VolumeSetting): readonly string[] {
  const { behindEnd, live, waiting, storedBytes } = report;
  const fewer = count(Math.max(0, live.gets - live.getsLeast));
  const notes = [
    `the volume keeps ${bytes(storedBytes)} in its bucket; of its files ${bytes(live.hiddenBytes)} are hidden: overwritten or cut off, read by nobody, given back by compaction`,
    `a full read of them takes ${plural(live.gets, 'GET')} for ${bytes(live.getBytes)}; ${fewer} fewer would do`,
  ];
  if (behindEnd.storedBytes > 0)
    notes.push(`${bytes(behindEnd.storedBytes)} lie behind the end of files that were cut`);
  if (live.sharedBytes > 0)
    notes.push(
      `${bytes(live.sharedBytes)} are of slices that several lists name; what of those is hidden is not known`,
    );
  const { overdueSlices, malformed } = waiting.delayed;
  if (overdueSlices > 0)
    notes.push(`${plural(overdueSlices, 'replaced slice')} should have been deleted by now: "s3compact doctor"`);
  if (malformed > 0) notes.push(`${plural(malformed, 'delayed delete')} cannot be read`);
  if (setting.wholeObjects) notes.push('bytes are those before compression and encryption');
  return notes;
}

/** What could not be read, some of it by name. */
export function damageNotes({ damages, damaged }: WasteReport): readonly string[] {
  const more = damaged > damages.length ? [`… and ${count(damaged - damages.length)} more`] : [];
  return [...damages.map(({ message }) => `damaged: ${message}`), ...more];
}
