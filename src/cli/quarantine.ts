/**
 * `s3compact quarantine list | release`: the inodes on which work has stopped, each with its reason, and the way out.
 * Releasing changes one entry of the book: nothing is compacted or deleted by it, unless `--queue` asks for a run.
 */
import type { Command } from 'commander';
import { printInodeKey } from '../format.ts';
import type { InodeKey } from '../model.ts';
import type { QuarantinedInode } from '../queue/quarantine.ts';
import { plural } from '../view/words.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import { parseCount, parseInodeId, parseLimit } from './arguments.ts';
import type { CliContext } from './context.ts';
import { UsageError } from './output.ts';
import { left, table, wrapped } from './table.ts';

/** Rows shown unless `--limit` says otherwise. */
const ROWS_SHOWN = 100;

const LIST_HELP = `
Exit code 0 whether the list is empty or not.

With --json: {total: inodes in quarantine, inodes: [{fsId, inodeId, code, reason, sinceMs,
lookAtMs: when it is looked at again by itself; absent: a person must release it}]}`;

const RELEASE_HELP = `
Look first ("s3compact fsck FS INODE", "s3compact inspect FS INODE"): an inode whose fault is still there comes back.

With --json: {released: true|false, queued: true|false}; with --all {released: count, queued: count}`;

export function register(command: Command, context: CliContext): void {
  command
    .command('list')
    .description('show them, each with its reason')
    .argument('[fs]', 'of this file system only', parseCount)
    .option('--limit <count>', 'inodes to show; 0 means all', parseLimit, ROWS_SHOWN)
    .addHelpText('after', LIST_HELP)
    .action((fsId: number | undefined, options: { readonly limit: number }) =>
      context.withWork({ metadata: 'unasked' }, (clients) => list(clients, context, { fsId, ...options })),
    );
  command
    .command('release')
    .description('let work on an inode, or on all of a file system, go on')
    .argument('<fs>', 'id of the file system', parseCount)
    .argument('[inode]', 'id of the inode', parseInodeId)
    .option('--all', 'every inode of the file system')
    .option('--queue', 'and queue what is released: one inode at the top, all of them as a scan does')
    .addHelpText('after', RELEASE_HELP)
    .action((fsId: number, inodeId: bigint | undefined, { all, queue = false }: ReleaseFlags) => {
      if ((inodeId === undefined) !== (all === true)) {
        throw new UsageError('quarantine release takes either an inode or --all');
      }
      return context.withWork({ metadata: 'unasked' }, (clients) =>
        inodeId === undefined
          ? releaseAll(fsId, clients, { context, queue })
          : releaseInode({ fsId, inodeId }, clients, { context, queue }),
      );
    });
}

interface ReleaseFlags {
  readonly all?: boolean;
  readonly queue?: boolean;
}

interface Releasing {
  readonly context: CliContext;
  readonly queue: boolean;
}

/** The oldest of any number; holds at most twice as many as it shows. */
async function list(
  { quarantine }: WorkClients,
  context: CliContext,
  { fsId, limit }: { readonly fsId: number | undefined; readonly limit: number },
): Promise<void> {
  let total = 0;
  let inodes: QuarantinedInode[] = [];
  const oldest = () => inodes.toSorted((a, b) => a.sinceMs - b.sinceMs).slice(0, limit);
  for await (const one of quarantine.all()) {
    if (fsId !== undefined && one.key.fsId !== fsId) continue;
    total++;
    inodes.push(one);
    if (inodes.length >= 2 * limit) inodes = oldest();
  }
  inodes = oldest();
  const json = { total, inodes: inodes.map(({ key, ...entry }) => ({ ...key, ...entry })) };
  context.answer(json, () => listText(inodes, total, context));
}

function listText(inodes: readonly QuarantinedInode[], total: number, context: CliContext): string {
  if (total === 0) return 'no inode is in quarantine';
  const rows = inodes.map(({ key, sinceMs, lookAtMs, code, reason }) => [
    printInodeKey(key),
    new Date(sinceMs).toISOString(),
    lookAtMs === undefined ? 'a person' : new Date(lookAtMs).toISOString(),
    code,
    reason,
  ]);
  const columns = ['inode', 'since', left('waits for'), left('code'), wrapped('reason')];
  const shown = inodes.length < total ? `, ${inodes.length} shown` : '';
  return `${table(columns, rows, context.style)}\n ${plural(total, 'inode')} in quarantine${shown}`;
}

async function releaseInode(key: InodeKey, clients: WorkClients, { context, queue }: Releasing): Promise<void> {
  const released = await clients.quarantine.release(key);
  if (queue) await clients.queue.enqueue(key, 'command');
  const what = released ? 'is released' : 'was not in quarantine';
  const words = `inode ${printInodeKey(key)} ${what}${queue ? ', and queued' : ''}`;
  context.answer({ released, queued: queue }, () => words);
}

/** One by one, as they are found: what a failure leaves is still in quarantine, and the same command goes on. */
async function releaseAll(fsId: number, clients: WorkClients, { context, queue }: Releasing): Promise<void> {
  let released = 0;
  let queued = 0;
  for await (const { key } of clients.quarantine.all()) {
    if (key.fsId !== fsId || !(await clients.quarantine.release(key))) continue;
    released++;
    if (!queue) continue;
    await clients.queue.enqueue(key, 'scan');
    queued++;
  }
  const also = queued > 0 ? `, ${queued} queued` : '';
  const words = `${plural(released, 'inode')} of file system ${fsId} released${also}`;
  context.answer({ released, queued }, () => words);
}
