/**
 * `s3compact adopt FS`: the operator says that this installation, with this metadata store, is the one that may compact
 * and delete the objects of a file system from now on: after the metadata was moved or restored. It replaces one small
 * object in the bucket and deletes nothing else.
 */
import type { Command } from 'commander';
import { requireFilesystem } from '../metadata/lookup.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';

const HELP = `
Stop every other worker on these objects first: one that serves another metadata store, or a copy of this one, goes on for
up to a minute, and each deletes what the other's lists reference.

With --json: {fsId, bucket, before: "own" | "none" | "other", belongedTo}`;

export function registerAdopt(program: Command, context: CliContext): void {
  program
    .command('adopt')
    .description('make the objects of a file system in its bucket those of this metadata store')
    .argument('<fs>', 'id of the file system', parseCount)
    .addHelpText('after', HELP)
    .action((fsId: number) => adopt(fsId, context));
}

async function adopt(fsId: number, context: CliContext): Promise<void> {
  const clients = await context.openClients();
  try {
    const filesystem = await requireFilesystem(clients.metadata, fsId);
    const before = await clients.ownership.adopt(filesystem);
    const { bucket } = filesystem;
    const belongedTo = before.kind === 'other' ? before.why : undefined;
    if (context.json) context.dataJson({ fsId, bucket, before: before.kind, belongedTo });
    else if (before.kind === 'own') context.data(`file system ${fsId} in bucket ${bucket} is ours already`);
    else {
      const was = belongedTo === undefined ? 'had no owner' : `belonged to ${belongedTo}`;
      context.data(`file system ${fsId} in bucket ${bucket} is ours now; it ${was}`);
    }
  } finally {
    await clients.close();
  }
}
