/**
 * What a browser may have done where acts are allowed, each as its command does it. Every one is a line of the log with who
 * asked and what came of it. Whether the asker may is judged before (`door.ts`, `app.ts`). None deletes anything, and a hold is
 * not released here: what that allows is deleting.
 */
import { formOf, parseNumber } from '../config/units.ts';
import { CompactError, cancelled } from '../errors.ts';
import { decimalId, decimalNumber, printInodeKey } from '../format.ts';
import { requireFilesystem } from '../metadata/lookup.ts';
import type { InodeKey } from '../model.ts';
import { LOG_EVENTS, type Logger } from '../observe/log.ts';
import { hurry } from '../queue/wait-for-run.ts';
import { wallMs } from '../time.ts';
import { allResumed, plural } from '../view/words.ts';
import type { Clients } from '../wiring/clients.ts';
import { makeHold } from '../wiring/holds.ts';
import type { WorkClients } from '../wiring/work-clients.ts';

/** Holds that are being made at a time: each takes a minute and a half. */
const HOLDS_MAX = 4;

/** Of files in blocks all acts; of a volume of slices there is no owner of the bucket, and so no hold. */
export type ActClients = WorkClients & Partial<Pick<Clients, 'ownership'>>;

interface ActRequest {
  readonly clients: ActClients;
  readonly form: Readonly<Record<string, unknown>>;
  readonly remote: string;
  /** Ends waiting when the console ends. */
  readonly signal: AbortSignal;
}

interface ActDone {
  readonly words: string;
  /** The page to go on from. */
  readonly back: string;
}

type Act = (request: ActRequest) => Promise<ActDone>;

const ACTS: Readonly<Record<string, Act>> = {
  compact,
  release,
  pause,
  resume,
  'pause-all': pauseAll,
  'resume-all': resumeAll,
  hold,
};

export function isAct(name: string): boolean {
  return Object.hasOwn(ACTS, name);
}

/** Carries an act out and logs it. Throws CompactError, `settings-invalid` (halt) for a form that cannot be read. */
export async function carryOut(name: string, request: ActRequest, log: Logger): Promise<ActDone> {
  const { form, remote } = request;
  const [fsId, inodeId] = [decimalNumber(textOf(form['fs'])), decimalId(textOf(form['inode']))];
  const place = { ...(fsId === null ? {} : { fsId }), ...(inodeId === null ? {} : { inodeId }) };
  const event = LOG_EVENTS.consoleActed;
  try {
    const done = await ACTS[name]?.(request);
    if (done === undefined) throw invalid(`there is no act ${name}`);
    log.info({ event, act: name, remote, ...place, outcome: 'done' }, done.words);
    return done;
  } catch (error) {
    const outcome = error instanceof CompactError ? error.code : 'fault';
    log.warn({ event, act: name, remote, ...place, outcome, err: error }, 'an act was not carried out');
    throw error;
  }
}

async function compact({ clients, form }: ActRequest): Promise<ActDone> {
  const key = keyIn(form);
  const { queue } = clients;
  await clients.requireFile(key);
  await hurry(queue.queue, (await queue.enqueue(key, 'command')).jobId);
  return { words: `file ${printInodeKey(key)} is queued before all others`, back: `/files/${printInodeKey(key)}` };
}

async function release({ clients, form }: ActRequest): Promise<ActDone> {
  const key = keyIn(form);
  const name = printInodeKey(key);
  if (!(await clients.quarantine.release(key))) return { words: `inode ${name} was not in quarantine`, back: '/stuck' };
  await clients.queue.enqueue(key, 'command');
  return { words: `inode ${name} is released, and queued`, back: '/stuck' };
}

async function pause({ clients, form, remote }: ActRequest): Promise<ActDone> {
  const fsId = filesystemIn(form);
  await requireFilesystem(clients.metadata, fsId);
  const note = { sinceMs: wallMs(await clients.ledger.nowMs()), by: byOf(remote) };
  const isNew = await clients.control.pauseFilesystem(fsId, note);
  return { words: `file system ${fsId} ${isNew ? 'is paused' : 'was paused already'}`, back: `/files/${fsId}` };
}

async function resume({ clients, form }: ActRequest): Promise<ActDone> {
  const fsId = filesystemIn(form);
  const { resumed, jobs } = await clients.control.resumeFilesystem(fsId);
  const words = `file system ${fsId} ${resumed ? 'is resumed' : 'was not paused'}; ${plural(jobs, 'job')} came back`;
  return { words, back: `/files/${fsId}` };
}

async function pauseAll({ clients, form }: ActRequest): Promise<ActDone> {
  const reap = textOf(form['reap']) === 'yes';
  await clients.control.pauseAll({ reap });
  return { words: `everything${reap ? ', deleting included,' : ' but deleting'} is paused`, back: '/' };
}

async function resumeAll({ clients }: ActRequest): Promise<ActDone> {
  const { filesystems, jobs } = await clients.control.resumeAll();
  return { words: `${allResumed(filesystems)}; ${plural(jobs, 'job')} came back`, back: '/' };
}

let holdsBeingMade = 0;

async function hold({ clients, form, remote, signal }: ActRequest): Promise<ActDone> {
  const fsId = filesystemIn(form);
  const end = textOf(form['for']) ?? '';
  const forMs = end === '' ? undefined : parseNumber(formOf('duration'), end);
  const { ownership } = clients;
  if (ownership === undefined) throw invalid('there are no holds here: a JuiceFS volume has the days of its trash');
  if (forMs === null) throw invalid('the duration of a hold is a number with a unit, such as 6h');
  const request = {
    reason: textOf(form['reason']) ?? '',
    by: byOf(remote),
    forMs,
  };
  if (holdsBeingMade >= HOLDS_MAX) throw cancelled('too many holds are being made; try again in two minutes');
  holdsBeingMade++;
  try {
    const { id } = await makeHold(fsId, request, { clients: { ...clients, ownership }, signal });
    return { words: `file system ${fsId} is held by ${id}: nothing that is referenced now is deleted`, back: '/stuck' };
  } catch (error) {
    if (!signal.aborted) throw error;
    throw cancelled(
      `the console ended while it waited; "s3compact hold list ${fsId}" shows whether the hold stands`,
      error,
    );
  } finally {
    holdsBeingMade--;
  }
}

function byOf(remote: string): string {
  return `console, ${remote}`;
}

/** A field of a form; absent: it is a file, or not there. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function filesystemIn(form: Readonly<Record<string, unknown>>): number {
  const fsId = decimalNumber(textOf(form['fs']));
  if (fsId === null) throw invalid('the form does not say which file system');
  return fsId;
}

function keyIn(form: Readonly<Record<string, unknown>>): InodeKey {
  const inodeId = decimalId(textOf(form['inode']));
  if (inodeId === null) throw invalid('the form does not say which inode');
  return { fsId: filesystemIn(form), inodeId };
}

function invalid(message: string): CompactError {
  return new CompactError(message, { kind: 'halt', code: 'settings-invalid' });
}
