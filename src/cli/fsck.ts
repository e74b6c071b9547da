/**
 * `s3compact fsck FS [INODE]`: can every byte of the file, or of all files, be read? It asks the object store for what
 * the metadata names and tells every range that cannot be read. The looking is `fsck`'s. It changes nothing.
 */
import type { Command } from 'commander';
import { CompactError } from '../errors.ts';
import { printInodeKey } from '../format.ts';
import { type FsckFault, STOPPED } from '../fsck/check-chunk.ts';
import { checkFilesystem, checkInode, type InodeVerdict } from '../fsck/fsck.ts';
import { requireFilesystem, requireInode } from '../metadata/lookup.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { InodeKey } from '../model.ts';
import type { ObjectStores } from '../objects/port.ts';
import { bytes, plural } from '../view/words.ts';
import { cancellable } from '../wiring/cancellable.ts';
import { inodeNumber, parseCount, parseInodeOrPath, parseLimit } from './arguments.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode, exitCodeOf, UsageError } from './output.ts';
import { CountProgress } from './progress.ts';
import { untilStopped } from './signals.ts';
import { left, table, wrapped } from './table.ts';

/** Faults shown unless `--limit` says otherwise. */
const FAULTS_SHOWN = 100;
/** Inodes of a walk that are looked at at a time. */
const INODES_IN_FLIGHT = 8;

interface Options {
  readonly read?: boolean;
  readonly limit: number;
}

/** What `fsck --json` prints; offsets and sizes in bytes. */
const NOTHING_FOUND = {
  inodes: 0,
  skipped: 0,
  unknown: 0,
  objects: 0,
  dataBytes: 0,
  faults: 0,
  faultBytes: 0,
  inodesWithFaults: 0,
};

interface Findings {
  readonly summary: typeof NOTHING_FOUND;
  readonly faults: (FsckFault & { readonly inodeId: string })[];
  readonly unknown: { readonly inodeId: string; readonly message: string }[];
  /** Why a walk did not come to its end. */
  endedEarly?: string;
}

const HELP = `
Looks at the size of every object that a reader would ask for; --read also reads every byte, and checks the CRC32 of
objects that s3compact wrote. An object that is missing may be "not uploaded yet" where clients write back.
Exit code 0: everything can be read. 3: some or all could not be looked at. 4: something cannot be read.
130: stopped by Ctrl-C; what was found by then is reported.

With --json: {summary: {inodes, skipped, unknown, objects, dataBytes, faults, faultBytes, inodesWithFaults},
  faults: [{inodeId, chunkIndex, begin, end, reason: missing|short|corrupt|list-invalid|record-malformed|inode-malformed,
    object, detail}], unknown: [{inodeId, message}], endedEarly: message, absent where all was looked at}
Of a JuiceFS volume, all objects that lists name: {summary: {files, lists, objects, bytes, faults, visibleFaults},
  faults: [{inodeId, chunkIndex, reason: missing|size|unreferenced|damaged, object, visible, detail}], endedEarly}`;

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs>', 'id of the file system', parseCount)
    .argument('[inode]', 'id of the inode, of a JuiceFS volume also a path; all if absent', parseInodeOrPath)
    .option('--read', 'read every byte, not only the sizes')
    .option('--limit <count>', 'faults to show; 0 means all', parseLimit, FAULTS_SHOWN)
    .addHelpText('after', HELP)
    .action(async (fsId: number, inode: bigint | string | undefined, options: Options) => {
      context.exitCode = await context.byLayout({
        blocks: () => {
          const inodeId = inode === undefined ? undefined : inodeNumber(inode);
          return context.withMetadata((metadata) => fsck({ fsId, inodeId }, metadata, { context, options }));
        },
        slices: async () => {
          if (options.read === true) throw new UsageError('--read: bytes of a JuiceFS volume are not read');
          const { fsckSlices } = await import('./slices/fsck.ts');
          return fsckSlices({ fsId, inode }, context, options);
        },
      });
    });
}

type Target = Pick<InodeKey, 'fsId'> & { readonly inodeId: bigint | undefined };

async function fsck(
  target: Target,
  metadata: MetadataStore,
  { context, options }: Pick<Checking, 'context' | 'options'>,
): Promise<ExitCode> {
  const { keysFrom, openObjects } = await import('../wiring/clients.ts');
  const objects = openObjects(context.settings, context.logger, { keys: keysFrom(metadata) });
  const progress = new CountProgress(context);
  const findings: Findings = { summary: { ...NOTHING_FOUND }, faults: [], unknown: [] };
  let looked = 0;
  let code: ExitCode = EXIT.done;
  const onObject = (): void => {
    const { inodes, faults } = findings.summary;
    looked++;
    progress.show(`${plural(inodes, 'inode')} done, ${plural(looked, 'object')} looked at, ${plural(faults, 'fault')}`);
  };
  try {
    const checking = { objects, context, options, onObject };
    await untilStopped(context, { left: STOPPED }, async (signal) => {
      const ports = { ...checking, metadata: cancellable(metadata, signal) };
      for await (const verdict of verdicts(target, ports, signal)) add(findings, verdict, options.limit);
    });
    if (findings.summary.unknown > 0) code = EXIT.retry;
  } catch (error) {
    // What hours of looking have found is reported, whatever ends them.
    if (!(error instanceof CompactError) || findings.summary.inodes === 0) throw error;
    findings.endedEarly = error.message;
    code = exitCodeOf(error, context.stopCode);
  } finally {
    progress.stop();
    objects.close();
  }
  context.answer(findings, () => text(findings, target, context));
  return findings.summary.faults > 0 ? EXIT.halted : code;
}

interface Checking {
  readonly metadata: MetadataStore;
  readonly objects: ObjectStores;
  readonly context: CliContext;
  readonly options: Options;
  readonly onObject: () => void;
}

async function* verdicts(target: Target, checking: Checking, signal: AbortSignal): AsyncGenerator<InodeVerdict> {
  const { metadata, objects, context, options, onObject } = checking;
  const settings = {
    read: options.read === true,
    requestsInFlight: context.settings.getsInFlight,
    onObject,
    signal,
  };
  if (target.inodeId === undefined) {
    yield* checkFilesystem(target.fsId, { metadata, objects }, { ...settings, inodesInFlight: INODES_IN_FLIGHT });
    return;
  }
  const key = { fsId: target.fsId, inodeId: target.inodeId };
  const filesystem = await requireFilesystem(metadata, key.fsId);
  // A wrong number is an error here; in a walk it is an inode less.
  await requireInode(metadata, key);
  yield await checkInode(key, { metadata, objects: objects.forFilesystem(filesystem), filesystem }, settings);
}

function add({ summary, faults, unknown }: Findings, verdict: InodeVerdict, limit: number): void {
  const inodeId = verdict.key.inodeId.toString();
  summary.inodes++;
  if ('unknown' in verdict) {
    summary.unknown++;
    if (unknown.length < limit) unknown.push({ inodeId, message: verdict.unknown });
    return;
  }
  if (verdict.skipped !== undefined) summary.skipped++;
  summary.objects += verdict.objects;
  summary.dataBytes += verdict.dataBytes;
  summary.faults += verdict.faultsTotal;
  summary.faultBytes += verdict.faultBytes;
  if (verdict.faultsTotal > 0) summary.inodesWithFaults++;
  for (const fault of verdict.faults) if (faults.length < limit) faults.push({ inodeId, ...fault });
}

function text({ summary, faults, unknown, endedEarly }: Findings, { fsId }: Target, context: CliContext): string {
  const { bold } = context.colors;
  const lines: string[] = [];
  if (faults.length > 0) {
    const columns = ['inode', 'begin', 'end', left('what'), left('object'), wrapped('detail')];
    const rows = faults.map((fault) => {
      const inode = printInodeKey({ fsId, inodeId: fault.inodeId });
      return [inode, `${fault.begin}`, `${fault.end}`, fault.reason, fault.object ?? '', fault.detail];
    });
    lines.push(table(columns, rows, context.style));
    if (faults.length < summary.faults) lines.push(` and ${summary.faults - faults.length} more; --limit shows them`);
    lines.push('');
  }
  for (const { inodeId, message } of unknown)
    lines.push(` inode ${printInodeKey({ fsId, inodeId })} could not be looked at: ${message}`);
  const { inodes, skipped, objects, dataBytes } = summary;
  const skips = skipped === 0 ? '' : `, ${skipped} of them skipped (directories, unlinked, removed meanwhile)`;
  lines.push(` ${plural(inodes, 'inode')}${skips}; ${bytes(dataBytes)} in ${plural(objects, 'object')}`);
  if (endedEarly !== undefined) lines.push(` the check ended early: ${endedEarly}`);
  lines.push(bold(conclusion(summary, endedEarly === undefined)));
  if (faults.some(({ reason }) => reason === 'missing' || reason === 'short'))
    lines.push(
      ` "s3compact repair ${fsId} INODE --dry-run" lists what s3compact made and can make again; what a client wrote is in a backup only`,
    );
  return lines.join('\n');
}

/** Says that all can be read only where all was looked at. */
function conclusion({ faults, faultBytes, inodesWithFaults, unknown }: Findings['summary'], complete: boolean): string {
  if (faults > 0) return `${bytes(faultBytes)} of ${plural(inodesWithFaults, 'inode')} cannot be read`;
  if (!complete) return 'what was looked at can be read; of the rest nothing is known';
  if (unknown > 0) return `${plural(unknown, 'inode')} could not be looked at; no fault in any other`;
  return 'everything can be read';
}
