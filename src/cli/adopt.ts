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

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs>', 'id of the file system', parseCount)
    .addHelpText('after', HELP)
    .action((fsId: number) => adopt(fsId, context));
}

function adopt(fsId: number, context: CliContext): Promise<void> {
  return context.withClients({}, async ({ metadata, ownership }) => {
    const filesystem = await requireFilesystem(metadata, fsId);
    const before = await ownership.adopt(filesystem);
    const { bucket } = filesystem;
    const belongedTo = before.kind === 'other' ? before.why : undefined;
    const was = belongedTo === undefined ? 'had no owner' : `belonged to ${belongedTo}`;
    const now = before.kind === 'own' ? 'is ours already' : `is ours now; it ${was}`;
    const words = `file system ${fsId} in bucket ${bucket} ${now}`;
    context.answer({ fsId, bucket, before: before.kind, belongedTo }, () => words);
  });
}
