/**
 * The waste of a volume for people and programs: what `waste`, and `scan` without work, show of one in the slice layout. It
 * only words what `src/waste` counts.
 */
import type { SliceVolume, VolumeSetting } from '../../metadata/slice-volume.ts';
import { bytes, count, plural } from '../../view/words.ts';
import type { FileWaste, WasteOptions, WasteReport, WasteSum } from '../../waste/waste.ts';
import { wasteOf } from '../../waste/waste.ts';
import type { CliContext } from '../context.ts';
import { EXIT, type ExitCode } from '../output.ts';
import { CountProgress } from '../progress.ts';
import { untilStopped } from '../signals.ts';
import { table } from '../table.ts';

const LEFT = 'the walk over the volume was stopped; nothing was changed';

type Asked = Pick<WasteOptions, 'top' | 'order'>;

export async function showWaste(fsId: number, context: CliContext, asked: Asked): Promise<ExitCode> {
  return context.withVolume(fsId, async (volume, setting) => {
    const progress = new CountProgress(context);
    const report = await untilStopped(context, { left: LEFT }, (signal) =>
      wasteOf(volume, {
        ...{ ...asked, geometry: setting, signal },
        onProgress: (files) => progress.show(`${plural(files, 'file')} looked at`),
      }),
    ).finally(() => progress.stop());
    const top = await withPaths(volume, report.top);
    if (context.json) context.dataJson({ volume: setting.volume, ...report, top });
    else context.data(wasteText(setting, { ...report, top }, context));
    return report.damaged > 0 ? EXIT.halted : EXIT.done;
  });
}

interface PlacedWaste extends FileWaste {
  /** `null`: not found with little work. */
  readonly path: string | null;
}

async function withPaths(volume: SliceVolume, files: readonly FileWaste[]): Promise<readonly PlacedWaste[]> {
  const placed: PlacedWaste[] = [];
  for (const file of files) placed.push({ ...file, path: await volume.pathOf(file.inodeId) });
  return placed;
}

function wasteText(
  setting: VolumeSetting,
  report: WasteReport & { readonly top: readonly PlacedWaste[] },
  context: CliContext,
): string {
  const { bold, red } = context.colors;
  const { live, top, damages, damaged, storedBytes } = report;
  const lines: string[] = top.length > 0 ? [topText(top, context), ''] : [];
  lines.push(bold(`volume ${setting.volume}: ${plural(live.files, 'file')}, ${bytes(live.visibleBytes)} to be read`));
  lines.push(sumsText(report, context), '');
  lines.push(
    ` the volume keeps ${bytes(storedBytes)} in its bucket; of its files ${bytes(live.hiddenBytes)} are hidden:`,
  );
  lines.push('   overwritten or cut off, read by nobody, given back by compaction');
  const saved = live.gets - live.getsLeast;
  lines.push(
    ` a full read of them takes ${plural(live.gets, 'GET')} for ${bytes(live.getBytes)}; ${count(Math.max(0, saved))} fewer would do`,
  );
  lines.push(...notesOf(report, setting));
  for (const { message } of damages) lines.push(red(` damaged: ${message}`));
  if (damaged > damages.length) lines.push(red(` … and ${count(damaged - damages.length)} more`));
  return lines.join('\n');
}

function topText(top: readonly PlacedWaste[], context: CliContext): string {
  const heads = ['inode', 'visible', 'stored', 'hidden', 'GETs', 'least'];
  const columns = [...heads.map((head) => ({ head })), { head: 'path', align: 'left' as const, wrap: true }];
  const rows = top.map((file) => [
    file.inodeId.toString(),
    bytes(file.visibleBytes),
    bytes(Math.round(file.storedBytes)),
    bytes(file.hiddenBytes),
    count(file.gets),
    count(file.getsLeast),
    `${file.path ?? '?'}${file.state === 'unlinked' ? ' (deleted, still open)' : ''}`,
  ]);
  return table(columns, rows, context.style);
}

function sumsText(report: WasteReport, context: CliContext): string {
  const { live, trash, unlinked, gone, waiting } = report;
  const row = (name: string, { files, length, storedBytes, hiddenBytes, sharedBytes, objects }: WasteSum) => [
    name,
    ...[count(files), bytes(length), bytes(storedBytes), bytes(hiddenBytes), bytes(sharedBytes), count(objects)],
  ];
  const slices = (name: string, bytesOf: number, many: number) => [
    name,
    ...['', '', bytes(Math.round(bytesOf)), '', '', plural(many, 'slice')],
  ];
  const rows = [
    row('files', live),
    ...(trash.files > 0 ? [row('in the trash', trash)] : []),
    ...(unlinked.files > 0 ? [row('deleted, still open', unlinked)] : []),
    ...(gone.storedBytes > 0 ? [row('deleted, not cleaned up', { ...gone, files: waiting.files.count })] : []),
    ...(waiting.delayed.slices > 0
      ? [slices('replaced, delete delayed', waiting.delayed.storedBytes, waiting.delayed.slices)]
      : []),
    ...(waiting.pending.slices > 0
      ? [slices('unreferenced, to be deleted', waiting.pending.storedBytes, waiting.pending.slices)]
      : []),
  ];
  const heads = ['files', 'length', 'stored', 'hidden', 'shared', 'objects'];
  return table([{ head: '', align: 'left' }, ...heads.map((head) => ({ head }))], rows, context.style);
}

function notesOf({ behindEnd, live, waiting }: WasteReport, setting: VolumeSetting): string[] {
  const notes: string[] = [];
  if (behindEnd.storedBytes > 0)
    notes.push(` ${bytes(behindEnd.storedBytes)} lie behind the end of files that were cut`);
  if (live.sharedBytes > 0)
    notes.push(
      ` ${bytes(live.sharedBytes)} are of slices that several lists name; what of those is hidden is not known`,
    );
  if (waiting.delayed.overdueSlices > 0)
    notes.push(
      ` ${plural(waiting.delayed.overdueSlices, 'replaced slice')} should have been deleted by now: "s3compact doctor"`,
    );
  if (waiting.delayed.malformed > 0)
    notes.push(` ${plural(waiting.delayed.malformed, 'delayed delete')} cannot be read`);
  if (setting.wholeObjects) notes.push(' bytes are those before compression and encryption');
  return notes;
}
