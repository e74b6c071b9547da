/**
 * The waste of a volume for people and programs: what `waste`, and `scan` without work, show of one in the slice layout. It
 * only draws what `src/view` words and `src/waste` counts.
 */
import type { VolumeSetting } from '../../metadata/slice-volume.ts';
import {
  damageNotes,
  type PlacedWaste,
  placeText,
  SUM_HEADS,
  sumRows,
  WORST_HEADS,
  wasteNotes,
  withPaths,
  worstCells,
} from '../../view/slices/waste.ts';
import { bytes, plural } from '../../view/words.ts';
import type { WasteOptions, WasteReport } from '../../waste/waste.ts';
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

function wasteText(
  setting: VolumeSetting,
  report: WasteReport & { readonly top: readonly PlacedWaste[] },
  context: CliContext,
): string {
  const { bold, red } = context.colors;
  const { live, top } = report;
  const sums = [{ head: '', align: 'left' as const }, ...SUM_HEADS.map((head) => ({ head }))];
  return [
    ...(top.length > 0 ? [topText(top, context), ''] : []),
    bold(`volume ${setting.volume}: ${plural(live.files, 'file')}, ${bytes(live.visibleBytes)} to be read`),
    table(sums, sumRows(report), context.style),
    '',
    ...wasteNotes(report, setting).map((note) => ` ${note}`),
    ...damageNotes(report).map((note) => red(` ${note}`)),
  ].join('\n');
}

function topText(top: readonly PlacedWaste[], context: CliContext): string {
  const heads = ['inode', ...WORST_HEADS].map((head) => ({ head }));
  const columns = [...heads, { head: 'path', align: 'left' as const, wrap: true }];
  const rows = top.map((file) => [file.inodeId.toString(), ...worstCells(file), placeText(file)]);
  return table(columns, rows, context.style);
}
