/**
 * `s3compact repair FS INODE`: makes merged objects again that the store acknowledged and did not keep, from what they
 * replaced, as long as their reap records keep it. The work is `fsck`'s; this only shows. It changes no list.
 */
import type { Command } from 'commander';
import { type Repaired, repairInode } from '../fsck/repair.ts';
import { requireFilesystem, requireInode } from '../metadata/lookup.ts';
import { plural } from '../view/words.ts';
import { parseCount, parseInodeId } from './arguments.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode } from './output.ts';

const HELP = `
Exit code 0: nothing is missing, or all of it was made again (with --dry-run: can be). 4: some of it cannot be.

With --json: {objects: [{object, chunkIndex, outcome: made|can|cannot, detail}]}`;

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs>', 'id of the file system', parseCount)
    .argument('<inode>', 'id of the inode', parseInodeId)
    .option('--dry-run', 'only tell what can be made again')
    .addHelpText('after', HELP)
    .action(async (fsId: number, inodeId: bigint, { dryRun = false }: { readonly dryRun?: boolean }) => {
      context.exitCode = await repair(context, { fsId, inodeId, dryRun });
    });
}

function repair(
  context: CliContext,
  { dryRun, ...key }: { readonly fsId: number; readonly inodeId: bigint; readonly dryRun: boolean },
): Promise<ExitCode> {
  return context.withClients({}, async ({ metadata, ledger, objects: stores }) => {
    const filesystem = await requireFilesystem(metadata, key.fsId);
    await requireInode(metadata, key);
    const deps = { metadata, objects: stores.forFilesystem(filesystem), filesystem, records: ledger };
    const objects: Repaired[] = [];
    for await (const one of repairInode(key, deps, { dryRun })) {
      objects.push(one);
      if (!context.json) context.data(`chunk ${one.chunkIndex}  ${one.outcome}  ${one.object}: ${one.detail}`);
    }
    const left = objects.filter(({ outcome }) => outcome === 'cannot').length;
    context.answer(
      { objects },
      () =>
        `of what s3compact made: ${plural(objects.length - left, 'object')} ${dryRun ? 'can be made again' : 'made again'}, ${left} cannot be; what clients wrote: see "s3compact fsck"`,
    );
    return left > 0 ? EXIT.halted : EXIT.done;
  });
}
