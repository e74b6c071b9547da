/**
 * `s3compact fsck FS [INODE]` for a volume of slices: is every object there that a list names? The looking is `src/fsck`'s;
 * this asks and tells. It changes nothing.
 */
import { CompactError } from '../../errors.ts';
import { type SliceFindings, SliceFsck } from '../../fsck/check-slices.ts';
import type { SliceFile, SliceVolume } from '../../metadata/slice-volume.ts';
import { fileAt } from '../../view/slices/inspect.ts';
import { bytes, count, plural } from '../../view/words.ts';
import type { CliContext } from '../context.ts';
import { EXIT, type ExitCode, exitCodeOf } from '../output.ts';
import { CountProgress } from '../progress.ts';
import { untilStopped } from '../signals.ts';
import { left, table, wrapped } from '../table.ts';

const LEFT = 'the check was stopped; it has changed nothing, and the next one begins anew';

export function fsckSlices(
  target: { readonly fsId: number; readonly inode: bigint | string | undefined },
  context: CliContext,
  { limit }: { readonly limit: number },
): Promise<ExitCode> {
  return context.withVolume(target.fsId, async (volume, setting) => {
    const { openVolumeObjects } = await import('../../wiring/open-volume.ts');
    const file = target.inode === undefined ? null : await fileAt(volume, target.inode);
    const objects = await openVolumeObjects(context.settings, context.logger, { volume, setting });
    const progress = new CountProgress(context);
    try {
      return await untilStopped(context, { left: LEFT }, async (signal) => {
        const fsck = new SliceFsck(volume, {
          geometry: setting,
          store: objects.store,
          requestsInFlight: context.settings.getsInFlight,
          faultsMax: limit,
          signal,
          onList: (at) => progress.show(`${plural(at.files, 'file')} done, ${plural(at.objects, 'object')} looked at`),
        });
        return await check(fsck, { volume, file, context });
      });
    } finally {
      progress.stop();
      objects.close();
    }
  });
}

/** What hours of looking have found is reported, whatever ends them. */
async function check(
  fsck: SliceFsck,
  of: { readonly volume: SliceVolume; readonly file: SliceFile | null; readonly context: CliContext },
): Promise<ExitCode> {
  let endedEarly: string | undefined;
  let code: ExitCode = EXIT.done;
  try {
    await (of.file === null ? fsck.checkVolume() : fsck.checkFile(of.file));
  } catch (error) {
    if (!(error instanceof CompactError) || fsck.findings.lists === 0) throw error;
    endedEarly = error.message;
    code = exitCodeOf(error, of.context.stopCode);
  }
  const { shown, ...summary } = fsck.findings;
  of.context.answer({ summary, faults: shown, endedEarly }, () => fsckText(fsck.findings, endedEarly, of.context));
  return summary.faults > 0 ? EXIT.halted : code;
}

function fsckText(findings: SliceFindings, endedEarly: string | undefined, context: CliContext): string {
  const lines: string[] = [];
  const { shown, faults, visibleFaults } = findings;
  if (shown.length > 0) {
    const columns = ['inode', 'chunk', left('what'), left('object'), wrapped('detail')];
    const rows = shown.map(({ inodeId, chunkIndex, reason, object, visible, detail }) => [
      inodeId.toString(),
      chunkIndex === undefined ? '' : `${chunkIndex}`,
      reason,
      object ?? '',
      visible ? detail : `${detail}; nothing of it is visible`,
    ]);
    lines.push(table(columns, rows, context.style));
    if (shown.length < faults) lines.push(` and ${count(faults - shown.length)} more; --limit shows them`);
    lines.push('');
  }
  const { files, lists, objects } = findings;
  lines.push(
    ` ${plural(files, 'file')} in ${plural(lists, 'list')}; ${bytes(findings.bytes)} in ${plural(objects, 'object')}`,
  );
  if (endedEarly !== undefined) lines.push(` the check ended early: ${endedEarly}`);
  const verdict =
    faults > 0
      ? `${plural(faults, 'fault')}, ${count(visibleFaults)} of which a reader meets`
      : endedEarly === undefined
        ? 'everything that lists name is there'
        : 'what was looked at is there; of the rest nothing is known';
  lines.push(context.colors.bold(verdict));
  return lines.join('\n');
}
