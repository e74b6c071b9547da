/**
 * `s3compact hold FS | hold list | hold release`: from the answer on nothing that a list references is deleted, until the
 * hold is released or has ended. For backups of the metadata. What a hold is, and when it holds: `reap/holds.ts`.
 */
import type { Command } from 'commander';
import { printNumber } from '../config/units.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import type { Hold } from '../reap/hold-note.ts';
import type { FoundHold } from '../reap/holds.ts';
import { plural } from '../view/words.ts';
import type { Clients } from '../wiring/clients.ts';
import { durationLike, parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { UsageError } from './output.ts';
import { left, table, wrapped } from './table.ts';

const HOLD_HELP = `
It answers when it holds, after a minute and a half: until then deletes that were allowed before may still be on their way.
Compaction goes on; what it replaces stays. Then back up the metadata, and keep the backup no longer than the hold.
Interrupted while it waits, the hold stays ("s3compact hold list FS"), and holds a minute and a half after it was made.
All workers must know of holds: upgrade them first.

With --json: {fsId, id, reason, by, sinceMs, untilMs (absent: until released)}`;

const LIST_HELP = `
Without FS: of all file systems on which a hold was seen. Kept: what would be deleted but for the holds, as far as reap
records were looked at.

With --json: {filesystems: [{fsId, objects, bytes, holds: [{id, state: stands|ended|doubt, why, reason, by, sinceMs, untilMs}]}]}`;

const RELEASE_HELP = `
What was held is deleted within half an hour. Backups of the metadata that were taken under the hold are good no longer.

With --json: {fsId, released: [id]}`;

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs>', 'id of the file system', parseCount)
    .option('--reason <text>', 'who or what needs it, one line; must be given')
    .option('--for <duration>', 'from the answer on; default: until it is released', durationLike('6h'))
    .addHelpText('after', HOLD_HELP)
    .action((fsId: number, { reason, ...end }: { readonly reason?: string; readonly for?: number }) => {
      // Not required by the parser: that would ask `hold list` for it, too.
      if (reason === undefined) throw new UsageError('hold needs --reason: who or what needs it, one line');
      return withClients(context, (clients) => make(fsId, clients, { context, reason, ...end }));
    });
  command
    .command('list')
    .description('show holds, and what they keep')
    .argument('[fs]', 'of this file system', parseCount)
    .addHelpText('after', LIST_HELP)
    .action((fsId: number | undefined) => withClients(context, (clients) => list(fsId, clients, context)));
  command
    .command('release')
    .description('let what a hold keeps be deleted')
    .argument('<fs>', 'id of the file system', parseCount)
    .argument('[hold]', 'id of the hold')
    .option('--all', 'every hold of the file system')
    .addHelpText('after', RELEASE_HELP)
    .action((fsId: number, id: string | undefined, { all }: { readonly all?: boolean }) => {
      if ((id === undefined) !== (all === true)) throw new UsageError('hold release takes either a hold or --all');
      return withClients(context, (clients) => release(fsId, clients, { context, id }));
    });
}

function withClients(context: CliContext, work: (clients: Clients) => Promise<void>): Promise<void> {
  return context.withClients({ logger: context.quietLogger }, work);
}

async function make(
  fsId: number,
  clients: Clients,
  { context, reason, for: forMs }: { readonly context: CliContext; readonly reason: string; readonly for?: number },
): Promise<void> {
  const [{ processName }, { makeHold }] = await Promise.all([import('./work-parts.ts'), import('../wiring/holds.ts')]);
  const onWaiting = (id: string, ms: number): void => {
    if (!context.json)
      context.note(`hold ${id} is made; it holds in ${printNumber('duration', ms)}, when earlier deletes are over`);
  };
  const request = { reason, by: processName(), forMs };
  const { id, hold } = await makeHold(fsId, request, { clients, onWaiting });
  context.answer({ id, ...hold }, () => {
    const end = hold.untilMs === undefined ? 'until it is released' : `until ${iso(hold.untilMs)}`;
    return `file system ${fsId} is held by ${id}, ${end}: nothing that is referenced now is deleted`;
  });
}

async function list(fsId: number | undefined, clients: Clients, context: CliContext): Promise<void> {
  const { standingHolds } = await import('../wiring/holds.ts');
  const filesystems =
    fsId === undefined
      ? await standingHolds(clients, { onNone: (none) => clients.holdBook.forget(none) })
      : [await heldOf(fsId, clients)];
  if (context.json) {
    return context.dataJson({
      filesystems: filesystems.map(({ holds, ...kept }) => ({ ...kept, holds: holds.map(listed) })),
    });
  }
  const rows = filesystems.flatMap(({ fsId: of, holds }) => holds.map((hold) => rowOf(of, hold)));
  if (rows.length === 0) return context.data('there is no hold');
  const columns = ['file system', 'hold', 'since', 'until', left('state'), wrapped('reason')];
  context.data(table(columns, rows, context.style));
  for (const { fsId: of, objects, bytes } of filesystems) {
    context.data(` file system ${of}: ${plural(objects, 'object')} kept, ${printNumber('size', bytes)} at least`);
  }
}

async function heldOf(fsId: number, clients: Clients) {
  const filesystem = await requireFilesystem(clients.metadata, fsId);
  const holds = await clients.holds.list(filesystem);
  return { fsId, holds, ...(await clients.holdBook.held(fsId)) };
}

function rowOf(fsId: number, { id, ...state }: FoundHold): string[] {
  const { hold } = state;
  const end = hold?.untilMs === undefined ? '-' : iso(hold.untilMs);
  const standing = state.kind === 'doubt' ? `in doubt: ${state.why}` : state.kind;
  return [`${fsId}`, id, hold === undefined ? '-' : iso(hold.sinceMs), end, standing, hold?.reason ?? ''];
}

function listed({ id, kind, hold, ...rest }: FoundHold) {
  const { reason, by, sinceMs, untilMs }: Partial<Hold> = hold ?? {};
  return { id, state: kind, ...rest, reason, by, sinceMs, untilMs };
}

async function release(
  fsId: number,
  clients: Clients,
  { context, id }: { readonly context: CliContext; readonly id: string | undefined },
): Promise<void> {
  const filesystem = await requireFilesystem(clients.metadata, fsId);
  const ids = id === undefined ? (await clients.holds.list(filesystem)).map((hold) => hold.id) : [id];
  const released: string[] = [];
  for (const one of ids) if (await clients.holds.release(filesystem, one)) released.push(one);
  if ((await clients.holds.list(filesystem)).length === 0) await clients.holdBook.forget(fsId);
  const none = `file system ${fsId} has no hold${id === undefined ? '' : ` ${id}`}`;
  const words = released.length > 0 ? `released on file system ${fsId}: ${released.join(', ')}` : none;
  context.answer({ fsId, released }, () => words);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
