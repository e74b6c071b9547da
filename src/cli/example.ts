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
import { table } from './table.ts';

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

export function registerExample(program: Command, context: CliContext): void {
  program
    .command('example')
    .description('make a small file system with fragmented files to try things on')
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
  const clients = await context.openClients({ logger: context.quietLogger });
  const { objects } = clients;
  const stores = openStores(settings, context.quietLogger, keysFrom(clients.metadata));
  const { writer, close } = openWriter(settings, objects);
  const progress = new CountProgress(context);
  try {
    if (options.remove === true) {
      const store = objects.forFilesystem.bind(objects);
      const removeEmptyBucket = stores.removeEmptyBucket.bind(stores);
      const removed = await removeExample(fsId, { clients, lists: writer.lists, store, removeEmptyBucket });
      showRemoved(removed, context);
      return;
    }
    const onWrite = (writes: number): void => progress.show(plural(writes, 'write'));
    const createBucket = stores.createBucket.bind(stores);
    const made = await makeExample({ fsId, ...options }, { writer, objects, createBucket, onWrite });
    progress.stop();
    showMade(made, context);
  } finally {
    progress.stop();
    stores.close();
    close();
    await clients.close();
  }
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
  if (context.json) {
    context.dataJson({ fsId, uuid, bucket, madeBucket, files });
    return;
  }
  const rows = files.map((file) => [`${file.inodeId}`, file.what, bytes(file.bytes), count(file.versions)]);
  const columns = [
    { head: 'inode' },
    { head: 'file', align: 'left' },
    { head: 'length' },
    { head: 'versions' },
  ] as const;
  context.data(`file system ${fsId} is made, its objects in bucket ${bucket}${madeBucket ? ' (made, too)' : ''}\n`);
  context.data(table(columns, rows, context.style));
  context.data(`\n next: s3compact scan ${fsId} --dry-run, s3compact inspect ${fsId} 1`);
  context.data(` in the end: s3compact example ${fsId} --remove`);
}

export function showRemoved({ filesystem, objects, bucket }: Removed, context: CliContext): void {
  const { fsId } = filesystem;
  if (context.json) {
    context.dataJson({ fsId, bucket, objects });
    return;
  }
  const stays = bucket === 'removed' ? 'is removed, too' : 'stays, since it was there before or holds something else';
  context.data(
    `file system ${fsId} is removed with ${plural(objects, 'object')}; bucket ${filesystem.bucket} ${stays}`,
  );
}
