/**
 * The routes of the console, and what every answer has: a strict policy for contents, no other origin, an end. Reading
 * changes nothing: only GET and HEAD are answered. It knows no socket; `server.ts` does the listening.
 */
import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import { secureHeaders } from 'hono/secure-headers';
import type { LimitFunction } from 'p-limit';
import { CompactError, cancelled } from '../errors.ts';
import { decimalId, decimalNumber } from '../format.ts';
import { redactText } from '../redact.ts';
import { askStuck } from '../view/stuck.ts';
import type { Clients } from '../wiring/clients.ts';
import { ICON, SCRIPT, STYLE } from './assets.ts';
import { filesystemsPage, sortOf, statesOf, worstFilesPage } from './files.ts';
import { addLive } from './live.ts';
import { askFile, filePage } from './one-file.ts';
import { overview } from './overview.ts';
import { keyOf, live, page } from './page.ts';
import type { Sampler } from './sampler.ts';
import { placesOf, stuckPage } from './stuck-page.ts';
import type { FileWalks } from './worst-files.ts';

/** Pages that read lists and plan, the one that is being made included. */
const HEAVY_MAX = 16;

export interface ConsoleParts {
  readonly clients: Clients;
  readonly sampler: Sampler;
  readonly walks: FileWalks;
  /** Pages that read lists and plan, one at a time: many at once would need the memory of many. */
  readonly turns: LimitFunction;
  /** Names that a browser may call this server by; another is a page of somebody else's that points here. */
  readonly isOwnHost: (host: string) => boolean;
  readonly onFault: (error: unknown) => void;
}

export function consoleApp(parts: ConsoleParts): Hono {
  const app = new Hono();
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        ...{ scriptSrc: ["'self'"], styleSrc: ["'self'"], imgSrc: ["'self'"], connectSrc: ["'self'"] },
        ...{ formAction: ["'self'"], baseUri: ["'none'"], frameAncestors: ["'none'"] },
      },
      referrerPolicy: 'no-referrer',
      xFrameOptions: 'DENY',
      strictTransportSecurity: false,
    }),
  );
  app.use(async (c, next) => {
    if (!parts.isOwnHost(c.req.header('host') ?? '')) return c.text('this console has another name', 421);
    c.header('Cache-Control', 'no-store');
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return c.text('this console only shows', 405);
    return next();
  });
  addPages(app, parts);
  addLive(app, parts);
  app.get('/style.css', (c) => c.body(STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' }));
  app.get('/live.js', (c) => c.body(SCRIPT, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }));
  app.get('/icon.svg', (c) => c.body(ICON, 200, { 'Content-Type': 'image/svg+xml' }));
  app.notFound((c) => problem(c, 404, 'There is no such page', 'The links above lead to all that there are.'));
  app.onError((error, c) => refused(c, error, parts));
  return app;
}

function addPages(app: Hono, { clients, sampler, walks, turns }: ConsoleParts): void {
  app.get('/', async (c) => {
    const body = live('/live/overview', overview(await sampler.fresh()));
    return c.html(page({ title: 'Overview', at: '/', body }));
  });
  app.get('/files', async (c) => {
    const [fsId, inodeId] = [decimalNumber(c.req.query('fs')), decimalId(c.req.query('inode'))];
    if (fsId !== null) return c.redirect(inodeId === null ? `/files/${fsId}` : `/files/${fsId}/${inodeId}`);
    return c.html(filesystemsPage(await sampler.fresh()));
  });
  app.get('/stuck', async (c) => {
    const places = placesOf((name) => c.req.query(name));
    const stuck = await inTurn(turns, () => askStuck(clients, places));
    return c.html(stuckPage(stuck, places, await sampler.fresh()));
  });
  app.get('/files/:fs', async (c) => {
    const fsId = decimalNumber(c.req.param('fs'));
    if (fsId === null) return c.notFound();
    const found = await inTurn(turns, () => walks.look(fsId));
    const states = await statesOf(found.files, clients, await sampler.fresh());
    return c.html(worstFilesPage(found, states, sortOf(c.req.query('sort'))));
  });
  app.get('/files/:fs/:inode', async (c) => {
    const key = keyOf(c);
    if (key === null) return c.notFound();
    const chunk = decimalNumber(c.req.query('chunk')) ?? undefined;
    const file = await inTurn(turns, () => askFile(key, clients, chunk));
    return c.html(filePage(file, await sampler.fresh()));
  });
}

/** Throws `cancelled` (retry) where too many wait already. */
function inTurn<T>(turns: LimitFunction, work: () => Promise<T>): Promise<T> {
  if (turns.activeCount + turns.pendingCount >= HEAVY_MAX) {
    throw cancelled('too many pages are being made; look again in a moment');
  }
  return turns(work);
}

/** What a server or a file said is for people; a fault of ours is in the log alone. */
function refused(c: Context, error: unknown, { onFault }: ConsoleParts): Response | Promise<Response> {
  if (!(error instanceof CompactError)) {
    onFault(error);
    return problem(c, 500, 'A fault in s3compact', 'The log has what happened.');
  }
  if (error.code.endsWith('-missing')) return problem(c, 404, 'Not there', redactText(error.message));
  const [status, title] = error.kind === 'halt' ? ([422, 'This needs a person'] as const) : ([503, 'Not now'] as const);
  return problem(c, status, title, redactText(error.message));
}

function problem(
  c: Context,
  status: 404 | 422 | 500 | 503,
  title: string,
  words: string,
): Response | Promise<Response> {
  return c.html(page({ title, body: html`<p class="problem act">${words}</p>` }), status);
}
