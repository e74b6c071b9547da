/**
 * The routes of the console, and what every answer has: a strict policy for contents, no other origin, an end. Reading
 * changes nothing: other methods than GET and HEAD are answered for the log-in, and for acts where they are allowed, and
 * for nothing else. It knows no socket; `server.ts` does the listening.
 */
import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import { HTTPException } from 'hono/http-exception';
import { secureHeaders } from 'hono/secure-headers';
import type { LimitFunction } from 'p-limit';
import { CompactError, cancelled, throwIfCancelled } from '../errors.ts';
import { decimalId, decimalNumber } from '../format.ts';
import { redactText } from '../redact.ts';
import { askStuck } from '../view/stuck.ts';
import type { Clients } from '../wiring/clients.ts';
import { ICON, SCRIPT, STYLE } from './assets.ts';
import type { Visited } from './door.ts';
import { filesystemsPage, sortOf, statesOf, worstFilesPage } from './files.ts';
import { allForms, type Forms, fileForms, filesystemForms } from './forms.ts';
import { addActs, addGuards, type GuardParts } from './guards.ts';
import { addLive, type LiveParts } from './live.ts';
import { askFile, filePage } from './one-file.ts';
import { overview } from './overview.ts';
import { keyOf, live, page, show } from './page.ts';
import { placesOf, stuckPage } from './stuck-page.ts';
import { askDial, dialPage } from './what-if.ts';
import type { FileWalks } from './worst-files.ts';

/** Pages that read lists and plan, the one that is being made included. */
const HEAVY_MAX = 16;
/** How long one of them may take: the others wait for it. */
const HEAVY_MAX_MS = 30_000;

/** What every console has, whatever it shows. */
export interface AppParts extends GuardParts {
  /** Pages that read lists and plan, one at a time: many at once would need the memory of many. */
  readonly turns: LimitFunction;
  /** How long a turn may take; absent: HEAVY_MAX_MS. */
  readonly turnMaxMs?: number;
  readonly onFault: (error: unknown) => void;
}

interface ConsoleParts extends AppParts, LiveParts {
  readonly clients: Clients;
  readonly walks: FileWalks;
}

export function consoleApp(parts: ConsoleParts): Hono<Visited> {
  return appWith(parts, (app) => {
    addPages(app, parts);
    addLive(app, parts);
  });
}

/** What is around all pages. */
export function appWith(parts: AppParts, addRoutes: (app: Hono<Visited>) => void): Hono<Visited> {
  const app = new Hono<Visited>();
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
      // Without one a browser calls the origin of its own forms "null".
      referrerPolicy: 'same-origin',
      xFrameOptions: 'DENY',
      strictTransportSecurity: false,
    }),
  );
  addGuards(app, parts);
  addRoutes(app);
  addActs(app, parts);
  app.get('/style.css', (c) => c.body(STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' }));
  app.get('/live.js', (c) => c.body(SCRIPT, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }));
  app.get('/icon.svg', (c) => c.body(ICON, 200, { 'Content-Type': 'image/svg+xml' }));
  app.notFound((c) =>
    problem(c, 404, { title: 'There is no such page', words: 'The links above lead to all that there are.' }),
  );
  app.onError((error, c) => refused(c, error, parts));
  return app;
}

/** What forms are sent back with, where acts are allowed. */
export function formsFor({ acts }: Pick<AppParts, 'acts'>): (c: Context<Visited>) => Forms | undefined {
  return (c) => {
    const csrf = c.get('visitor')?.csrf;
    return acts !== undefined && csrf !== undefined ? { csrf } : undefined;
  };
}

function addPages(app: Hono<Visited>, parts: ConsoleParts): void {
  const { clients, sampler, walks, prometheus } = parts;
  const formsOf = formsFor(parts);
  app.get('/', async (c) => {
    const forms = formsOf(c);
    const body = live('/live/overview', overview(await sampler.fresh(), prometheus));
    return show(c, { title: 'Overview', at: '/', body }, forms && allForms(forms));
  });
  app.get('/files', async (c) => {
    const [fsId, inodeId] = [decimalNumber(c.req.query('fs')), decimalId(c.req.query('inode'))];
    if (fsId !== null) return c.redirect(inodeId === null ? `/files/${fsId}` : `/files/${fsId}/${inodeId}`);
    return show(c, filesystemsPage(await sampler.fresh()));
  });
  app.get('/stuck', async (c) => {
    const places = placesOf((name) => c.req.query(name));
    const stuck = await inTurn(c, parts, (signal) => askStuck(clients, places, signal));
    return show(c, stuckPage(stuck, { places, sample: await sampler.fresh(), forms: formsOf(c) }));
  });
  app.get('/files/:fs', async (c) => {
    const fsId = decimalNumber(c.req.param('fs'));
    if (fsId === null) return c.notFound();
    const found = await inTurn(c, parts, (signal) => walks.look(fsId, signal));
    const states = await statesOf(found.files, clients, await sampler.fresh());
    const forms = formsOf(c);
    const files = worstFilesPage(found, states, sortOf(c.req.query('sort')));
    return show(c, files, forms && filesystemForms(forms, fsId));
  });
  app.get('/files/:fs/:inode', async (c) => {
    const key = keyOf(c);
    if (key === null) return c.notFound();
    const chunk = decimalNumber(c.req.query('chunk')) ?? undefined;
    const file = await inTurn(c, parts, (signal) => askFile(key, clients, { chunk, signal }));
    const forms = formsOf(c);
    return show(c, filePage(file, await sampler.fresh()), forms && fileForms(forms, key, file.quarantine !== null));
  });
  app.get('/files/:fs/:inode/what-if', async (c) => {
    const key = keyOf(c);
    if (key === null) return c.notFound();
    return show(c, dialPage(key, await inTurn(c, parts, (signal) => askDial(key, clients, signal))));
  });
}

/**
 * Work that ends soon after its signal: when whoever asked has left, or after its time. Then the next has its turn. Throws
 * `cancelled` (retry) where too many wait already, or the time is over.
 */
export function inTurn<T>(
  c: Context,
  { turns, turnMaxMs = HEAVY_MAX_MS }: Pick<AppParts, 'turns' | 'turnMaxMs'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (turns.activeCount + turns.pendingCount >= HEAVY_MAX) {
    throw cancelled('too many pages are being made; look again in a moment');
  }
  const left = c.req.raw.signal;
  return turns(async () => {
    throwIfCancelled(left, 'whoever asked for this page has left');
    const over = AbortSignal.timeout(turnMaxMs);
    try {
      return await work(AbortSignal.any([left, over]));
    } catch (error) {
      throwIfCancelled(
        over,
        `this page was not ready after ${turnMaxMs / 1_000} s and was given up; look again later, or use the command line, which waits longer`,
      );
      throw error;
    }
  });
}

/** What a server or a file said is for people; a fault of ours is in the log alone. */
function refused(c: Context<Visited>, error: unknown, { onFault }: AppParts): Response | Promise<Response> {
  if (error instanceof HTTPException) {
    const words =
      'It is too large, or did not come from a page of this console: go back, load the page anew, try again.';
    return problem(c, error.status === 413 ? 413 : 403, { title: 'Refused', words });
  }
  if (!(error instanceof CompactError)) {
    onFault(error);
    return problem(c, 500, { title: 'A fault in s3compact', words: 'The log has what happened.' });
  }
  const words = redactText(error.message);
  if (error.code.endsWith('-missing')) return problem(c, 404, { title: 'Not there', words });
  if (error.kind === 'halt') return problem(c, 422, { title: 'This needs a person', words });
  return problem(c, 503, { title: 'Not now', words });
}

function problem(
  c: Context<Visited>,
  status: 403 | 404 | 413 | 422 | 500 | 503,
  { title, words }: { readonly title: string; readonly words: string },
): Response | Promise<Response> {
  const body = html`<p class="problem act">${words}</p>`;
  return c.html(page({ title, body, csrf: c.get('visitor')?.csrf }), status);
}
