/**
 * `s3compact waste FS`: what a volume keeps in its bucket against what anybody sees of it, by file and in total. The
 * counting is in `src/waste`; this asks and tells. It changes nothing, and reads metadata only.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { VolumeSetting } from '../metadata/slice-volume.ts';
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
} from '../view/slices/waste.ts';
import { bytes, plural } from '../view/words.ts';
import { WASTE_ORDERS, type WasteOptions, type WasteOrder, type WasteReport, wasteOf } from '../waste/waste.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode } from './output.ts';
import { CountProgress } from './progress.ts';
import { untilStopped } from './signals.ts';
import { left, table, wrapped } from './table.ts';

/** Files that are listed … */
const TOP_SHOWN = 20;
/** … and at most. */
const TOP_MAX = 10_000;

const LEFT = 'the walk over the volume was stopped; nothing was changed';

const HELP = `
Reads metadata only, with a user that may do no more (docs/juicefs.md), and changes nothing. Bytes are those before
compression and encryption. Figures of a volume in use are not of one moment.
Exit code 0: the whole volume was walked. 3: something was away. 130: stopped by Ctrl-C. 4: damaged records were found; the walk went on.

With --json: {volume, storedBytes, live, trash, unlinked, gone: {files, length, records, pieces, objects, storedBytes, hiddenBytes,
  sharedBytes, visibleBytes, gets, getBytes, getsLeast}, behindEnd, waiting: {delayed: {slices, bytes, storedBytes, overdueSlices,
  malformed}, pending: {slices, bytes, storedBytes}, files: {count, bytes}}, otherInodes, damaged, damages: [{inodeId, message}],
  top: [{inodeId, path, state, length, … as live}]}`;

export function register(command: Command, context: CliContext): void {
  const order = new Option(
    '--sort <order>',
    'the worst by stored bytes that nobody reads, or by GETs that could be saved',
  );
  command
    .argument('<fs>', 'id of the file system: 1', parseCount)
    .option('--top <count>', 'the worst files to list', parseTop, TOP_SHOWN)
    .addOption(order.choices(WASTE_ORDERS).default('waste' satisfies WasteOrder))
    .addHelpText('after', HELP)
    .action(async (fsId: number, { top, sort }: { readonly top: number; readonly sort: WasteOrder }) => {
      context.exitCode = await showWaste(fsId, context, { top, order: sort });
    });
}

function parseTop(text: string): number {
  const top = parseCount(text);
  if (top > TOP_MAX) throw new InvalidArgumentError(`It must be at most ${TOP_MAX}.`);
  return top;
}

/** Also what `scan` shows of a volume when it only looks. */
export function showWaste(
  fsId: number,
  context: CliContext,
  asked: Pick<WasteOptions, 'top' | 'order'>,
): Promise<ExitCode> {
  return context.withVolume(fsId, async (volume, setting) => {
    const progress = new CountProgress(context);
    const report = await untilStopped(context, { left: LEFT }, (signal) =>
      wasteOf(volume, {
        ...asked,
        geometry: setting,
        signal,
        onProgress: (files) => progress.show(`${plural(files, 'file')} looked at`),
      }),
    ).finally(() => progress.stop());
    const top = await withPaths(volume, report.top);
    context.answer({ volume: setting.volume, ...report, top }, () => wasteText(setting, { ...report, top }, context));
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
  return [
    ...(top.length > 0 ? [topText(top, context), ''] : []),
    bold(`volume ${setting.volume}: ${plural(live.files, 'file')}, ${bytes(live.visibleBytes)} to be read`),
    table([left(''), ...SUM_HEADS], sumRows(report), context.style),
    '',
    ...wasteNotes(report, setting).map((note) => ` ${note}`),
    ...damageNotes(report).map((note) => red(` ${note}`)),
  ].join('\n');
}

function topText(top: readonly PlacedWaste[], context: CliContext): string {
  const rows = top.map((file) => [file.inodeId.toString(), ...worstCells(file), placeText(file)]);
  return table(['inode', ...WORST_HEADS, wrapped('path')], rows, context.style);
}
