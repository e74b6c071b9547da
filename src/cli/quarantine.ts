/**
 * `s3compact quarantine list | release`: the inodes on which work has stopped, each with its reason, and the way out.
 * Releasing changes one entry of the book: nothing is compacted or deleted by it, unless `--queue` asks for a run.
 */
import type { Command } from 'commander';
import { type Clients, openClients } from '../../workers/clients.ts';
import { printInodeKey } from '../format.ts';
import type { InodeKey } from '../model.ts';
import type { QuarantinedInode } from '../queue-quarantine.ts';
import { parseCount, parseLimit, withInodeArguments } from './arguments.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode, plural, table } from './output.ts';

/** Rows shown unless `--limit` says otherwise. */
const ROWS_SHOWN = 100;

const LIST_HELP = `
Exit code 0 whether the list is empty or not.

With --json: {total: inodes in quarantine, inodes: [{fsId, inodeId, code, reason, sinceMs}]}`;

const RELEASE_HELP = `
Look first ("s3compact verify FS INODE", "s3compact inspect FS INODE"): an inode whose fault is still there comes back.

With --json: {released: true|false, queued: true|false}`;

export function registerQuarantine(program: Command, context: CliContext): void {
  const quarantine = program.command('quarantine').description('inodes on which work has stopped');
  quarantine
    .command('list')
    .description('show them, each with its reason')
    .argument('[fs]', 'of this file system only', parseCount)
    .option('--limit <count>', 'inodes to show; 0 means all', parseLimit, ROWS_SHOWN)
    .addHelpText('after', LIST_HELP)
    .action(async (fsId: number | undefined, options: { readonly limit: number }) => {
      context.exitCode = await withClients(context, (clients) => list(clients, context, { fsId, ...options }));
    });
  withInodeArguments(quarantine.command('release').description('let work on an inode go on'))
    .option('--queue', 'and queue it, at the top')
    .addHelpText('after', RELEASE_HELP)
    .action(async (fsId: number, inodeId: bigint, options: { readonly queue?: boolean }) => {
      const release = (clients: Clients) => releaseInode({ fsId, inodeId }, clients, { context, ...options });
      context.exitCode = await withClients(context, release);
    });
}

async function withClients<T>(context: CliContext, work: (clients: Clients) => Promise<T>): Promise<T> {
  const clients = await openClients(context.settings, context.logger);
  try {
    return await work(clients);
  } finally {
    await clients.close();
  }
}

interface ListOptions {
  readonly fsId: number | undefined;
  readonly limit: number;
}

async function list(clients: Clients, context: CliContext, { fsId, limit }: ListOptions): Promise<ExitCode> {
  const inodes: QuarantinedInode[] = [];
  let total = 0;
  for await (const one of clients.quarantine.all()) {
    if (fsId !== undefined && one.key.fsId !== fsId) continue;
    total++;
    if (inodes.length < limit) inodes.push(one);
  }
  inodes.sort((a, b) => a.sinceMs - b.sinceMs);
  if (context.json) {
    context.dataJson({ total, inodes: inodes.map(({ key, ...entry }) => ({ ...key, ...entry })) });
    return EXIT.done;
  }
  if (total === 0) context.data('no inode is in quarantine');
  else context.data(listText(inodes, total, context));
  return EXIT.done;
}

function listText(inodes: readonly QuarantinedInode[], total: number, context: CliContext): string {
  const rows = inodes.map(({ key, sinceMs, code, reason }) => [
    printInodeKey(key),
    new Date(sinceMs).toISOString(),
    code,
    reason,
  ]);
  const columns = [
    { head: 'inode' },
    { head: 'since' },
    { head: 'code', align: 'left' },
    { head: 'reason', align: 'left' },
  ] as const;
  const shown = inodes.length < total ? `, ${inodes.length} shown` : '';
  return `${table(columns, rows, context.colors.dim)}\n ${plural(total, 'inode')} in quarantine${shown}`;
}

async function releaseInode(
  key: InodeKey,
  clients: Clients,
  { context, queue }: { readonly context: CliContext; readonly queue?: boolean },
): Promise<ExitCode> {
  const released = await clients.quarantine.release(key);
  const queued = queue === true;
  if (queued) await clients.queue.enqueue(key, 'command');
  if (context.json) context.dataJson({ released, queued });
  else {
    const what = released ? 'is released' : 'was not in quarantine';
    context.data(`inode ${printInodeKey(key)} ${what}${queued ? ', and queued' : ''}`);
  }
  return EXIT.done;
}
