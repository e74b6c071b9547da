/**
 * `s3compact example FS`: something to try s3compact on that is nobody's: a small file system in the metadata Redis, three
 * fragmented files of some MiB in the bucket, written as clients write them. `--remove` takes all of it away again. It
 * refuses to touch anything that is there and does not carry its mark.
 */
import type { Command } from 'commander';
import type { Settings } from '../config/index.ts';
import { CompactError } from '../errors.ts';
import { bytes, count, plural } from '../view/words.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import type { Made } from './example-make.ts';
import type { Removed } from './example-remove.ts';
import { CountProgress } from './progress.ts';
import { left, table } from './table.ts';

interface Options {
  readonly bucket: string;
  readonly name: string;
  readonly remove?: boolean;
}

const HELP = `
Writes some 14 MiB in 122 objects. A bucket that does not exist is made. Nothing is made where the number is taken by a file system,
an inode or an object in the bucket; --remove removes nothing that the example did not make: another inode in the file system
stops it, and a bucket that was there before, or holds something else, stays. What scan and gc have noted of it goes, too.

With --json: {fsId, uuid, bucket, madeBucket, files: [{inodeId, what, bytes, versions}]}, and with --remove
  {fsId, bucket: "removed" | "kept", objects}`;

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs>', 'id of the file system to be made', parseCount)
    .option('--bucket <name>', 'bucket for its objects', 's3compact-example')
    .option('--name <name>', 'name of the file system', 'example')
    .option('--remove', 'remove the file system that an earlier call made, with its objects')
    .addHelpText('after', HELP)
    .action((fsId: number, options: Options) => example(fsId, options, context));
}

async function example(fsId: number, options: Options, context: CliContext): Promise<void> {
  refuseCurvefs(context.settings);
  const [{ keysFrom, openStores }, { makeExample, openWriter }, { removeExample }] = await Promise.all([
    import('../wiring/clients.ts'),
    import('./example-make.ts'),
    import('./example-remove.ts'),
  ]);
  const { settings } = context;
  await context.withClients({ logger: context.quietLogger }, async (clients) => {
    const { objects } = clients;
    const stores = openStores(settings, context.quietLogger, keysFrom(clients.metadata));
    const { writer, close } = openWriter(settings, objects);
    const progress = new CountProgress(context);
    try {
      if (options.remove === true) {
        showRemoved(await removeExample(fsId, { clients, lists: writer.lists, stores }), context);
        return;
      }
      const onWrite = (writes: number): void => progress.show(plural(writes, 'write'));
      const made = await makeExample({ fsId, ...options }, { writer, objects, stores, onWrite });
      progress.stop();
      showMade(made, context);
    } finally {
      progress.stop();
      stores.close();
      close();
    }
  });
}

function refuseCurvefs({ metadataUrl }: Settings): void {
  if (!metadataUrl.startsWith('curvefs:')) return;
  throw new CompactError(
    'METADATA_URL names a CurveFS cluster, whose files its own clients write; the example is made in Redis only',
    { kind: 'halt', code: 'settings-invalid' },
  );
}

export function showMade({ filesystem, madeBucket, files }: Made, context: CliContext): void {
  const { fsId, uuid, bucket } = filesystem;
  const rows = files.map((file) => [`${file.inodeId}`, file.what, bytes(file.bytes), count(file.versions)]);
  const lines = [
    `file system ${fsId} is made, its objects in bucket ${bucket}${madeBucket ? ' (made, too)' : ''}\n`,
    table(['inode', left('file'), 'length', 'versions'], rows, context.style),
    `\n next: s3compact scan ${fsId} --dry-run, s3compact inspect ${fsId} 1`,
    ` in the end: s3compact example ${fsId} --remove`,
  ];
  context.answer({ fsId, uuid, bucket, madeBucket, files }, () => lines.join('\n'));
}

export function showRemoved({ filesystem, objects, bucket }: Removed, context: CliContext): void {
  const { fsId } = filesystem;
  const stays = bucket === 'removed' ? 'is removed, too' : 'stays, since it was there before or holds something else';
  const words = `file system ${fsId} is removed with ${plural(objects, 'object')}; bucket ${filesystem.bucket} ${stays}`;
  context.answer({ fsId, bucket, objects }, () => words);
}
