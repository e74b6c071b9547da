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
import { EXIT, type ExitCode, UsageError } from './output.ts';
import { table } from './table.ts';

/** Rows shown unless `--limit` says otherwise. */
const ROWS_SHOWN = 100;

const LIST_HELP = `
Exit code 0 whether the list is empty or not.

With --json: {total: inodes in quarantine, inodes: [{fsId, inodeId, code, reason, sinceMs,
lookAtMs: when it is looked at again by itself; absent: a person must release it}]}`;

const RELEASE_HELP = `
Look first ("s3compact fsck FS INODE", "s3compact inspect FS INODE"): an inode whose fault is still there comes back.

With --json: {released: true|false, queued: true|false}; with --all {released: count, queued: count}`;

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
  quarantine
    .command('release')
    .description('let work on an inode, or on all of a file system, go on')
    .argument('<fs>', 'id of the file system', parseCount)
    .argument('[inode]', 'id of the inode', parseInodeId)
    .option('--all', 'every inode of the file system')
    .option('--queue', 'and queue what is released: one inode at the top, all of them as a scan does')
    .addHelpText('after', RELEASE_HELP)
    .action(async (fsId: number, inodeId: bigint | undefined, options: ReleaseFlags) => {
      if ((inodeId === undefined) !== (options.all === true)) {
        throw new UsageError('quarantine release takes either an inode or --all');
      }
      const release = (clients: WorkClients) =>
        inodeId === undefined
          ? releaseAll(fsId, clients, { context, ...options })
          : releaseInode({ fsId, inodeId }, clients, { context, ...options });
      context.exitCode = await withClients(context, release);
    });
}

interface ReleaseFlags {
  readonly all?: boolean;
  readonly queue?: boolean;
}

async function withClients<T>(context: CliContext, work: (clients: WorkClients) => Promise<T>): Promise<T> {
  const clients = await context.openWork({ metadata: 'unasked' });
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

async function list(clients: WorkClients, context: CliContext, { fsId, limit }: ListOptions): Promise<ExitCode> {
  const oldest = new OldestInodes(limit);
  let total = 0;
  for await (const one of clients.quarantine.all()) {
    if (fsId !== undefined && one.key.fsId !== fsId) continue;
    total++;
    oldest.add(one);
  }
  const inodes = oldest.list();
  if (context.json) {
    context.dataJson({ total, inodes: inodes.map(({ key, ...entry }) => ({ ...key, ...entry })) });
    return EXIT.done;
  }
  if (total === 0) context.data('no inode is in quarantine');
  else context.data(listText(inodes, total, context));
  return EXIT.done;
}

/** The oldest of any number of inodes; holds at most twice as many as it keeps. */
class OldestInodes {
  readonly #most: number;
  #inodes: QuarantinedInode[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(inode: QuarantinedInode): void {
    this.#inodes.push(inode);
    if (this.#inodes.length >= 2 * this.#most) this.#inodes = this.list();
  }

  list(): QuarantinedInode[] {
    return this.#inodes.toSorted((a, b) => a.sinceMs - b.sinceMs).slice(0, this.#most);
  }
}

function listText(inodes: readonly QuarantinedInode[], total: number, context: CliContext): string {
  const rows = inodes.map(({ key, sinceMs, lookAtMs, code, reason }) => [
    printInodeKey(key),
    new Date(sinceMs).toISOString(),
    lookAtMs === undefined ? 'a person' : new Date(lookAtMs).toISOString(),
    code,
    reason,
  ]);
  const columns = [
    { head: 'inode' },
    { head: 'since' },
    { head: 'waits for', align: 'left' },
    { head: 'code', align: 'left' },
    { head: 'reason', align: 'left', wrap: true },
  ] as const;
  const shown = inodes.length < total ? `, ${inodes.length} shown` : '';
  return `${table(columns, rows, context.style)}\n ${plural(total, 'inode')} in quarantine${shown}`;
}

async function releaseInode(
  key: InodeKey,
  clients: WorkClients,
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

/** One by one, as they are found: what a failure leaves is still in quarantine, and the same command goes on. */
async function releaseAll(
  fsId: number,
  clients: WorkClients,
  { context, queue }: { readonly context: CliContext; readonly queue?: boolean },
): Promise<ExitCode> {
  let released = 0;
  let queued = 0;
  for await (const { key } of clients.quarantine.all()) {
    if (key.fsId !== fsId || !(await clients.quarantine.release(key))) continue;
    released++;
    if (queue !== true) continue;
    await clients.queue.enqueue(key, 'scan');
    queued++;
  }
  if (context.json) context.dataJson({ released, queued });
  else {
    const also = queued > 0 ? `, ${queued} queued` : '';
    context.data(`${plural(released, 'inode')} of file system ${fsId} released${also}`);
  }
  return EXIT.done;
}
