/**
 * `s3compact waste FS`: what a volume keeps in its bucket against what anybody sees of it, by file and in total. The
 * counting is in `src/waste`; this asks and tells. It changes nothing, and reads metadata only.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { WASTE_ORDERS, type WasteOrder } from '../waste/waste.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { showWaste } from './slices/waste.ts';

/** Files that are listed … */
const TOP_SHOWN = 20;
/** … and at most. */
export const TOP_MAX = 10_000;

const HELP = `
Reads metadata only, with a user that may do no more (docs/juicefs.md), and changes nothing. Bytes are those before
compression and encryption. Figures of a volume in use are not of one moment.
Exit code 0: the whole volume was walked. 3: something was away. 130: stopped by Ctrl-C. 4: damaged records were found; the walk went on.

With --json: {volume, storedBytes, live, trash, unlinked, gone: {files, length, records, pieces, objects, storedBytes, hiddenBytes,
  sharedBytes, visibleBytes, gets, getBytes, getsLeast}, behindEnd, waiting: {delayed: {slices, bytes, storedBytes, overdueSlices,
  malformed}, pending: {slices, bytes, storedBytes}, files: {count, bytes}}, otherInodes, damaged, damages: [{inodeId, message}],
  top: [{inodeId, path, state, length, … as live}]}`;

export function registerWaste(program: Command, context: CliContext): void {
  const order = new Option(
    '--sort <order>',
    'the worst by stored bytes that nobody reads, or by GETs that could be saved',
  );
  program
    .command('waste')
    .description('show what a volume keeps in its bucket and nobody reads')
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
