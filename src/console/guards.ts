/**
 * What a request must be before any page or act sees it, and the routes that need it most: the log-in and the acts. It is asked
 * by a name of our own; it only reads, unless it is a log-in or an allowed act; it has a visitor, where there is a token; and a
 * form comes from a page of our own. Every refusal is before any call to a server.
 */
import type { Hono, MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { csrf } from 'hono/csrf';
import { html } from 'hono/html';
import { HTTPException } from 'hono/http-exception';
import { LOG_EVENTS, type Logger } from '../observe/log.ts';
import { type ActClients, carryOut, isAct, textOf } from './acts.ts';
import { type Door, isOwnForm, remoteOf, type Visited } from './door.ts';
import { loginPage } from './forms.ts';
import { page, show } from './page.ts';

/** A form is a few short fields. */
const FORM_BYTES_MAX = 16 * 1024;
/** What whoever has not logged in may have. */
const OPEN = new Set(['/login', '/style.css', '/live.js', '/icon.svg']);
const ACTS = '/acts/';

export interface GuardParts {
  readonly log: Logger;
  /** Absent: there is no token, and whoever reaches this server may read. */
  readonly door?: Door;
  /** Names that a browser may call this server by where nobody logs in: another is a page of somebody else's that points here. */
  readonly isOwnHost?: (host: string) => boolean;
  /** What acts are carried out with; absent: they are not allowed. */
  readonly acts?: ActClients;
  /** Ends acts that wait when the console ends. */
  readonly signal: AbortSignal;
}

export function addGuards(app: Hono<Visited>, parts: GuardParts): void {
  app.use(async (c, next) => {
    if (parts.isOwnHost?.(c.req.header('host') ?? '') === false) return c.text('this console has another name', 421);
    c.header('Cache-Control', 'no-store');
    const { method, path } = c.req;
    const isRead = method === 'GET' || method === 'HEAD';
    if (!isRead && !(method === 'POST' && mayPost(path, parts))) return c.text('this console only shows', 405);
    return next();
  });
  if (parts.door !== undefined)
    app.use(visitorsOnly(parts.door), bodyLimit({ maxSize: FORM_BYTES_MAX }), ownForms(parts));
}

function mayPost(path: string, { door, acts }: GuardParts): boolean {
  if (door === undefined) return false;
  return path === '/login' || path === '/logout' || (acts !== undefined && path.startsWith(ACTS));
}

function visitorsOnly(door: Door): MiddlewareHandler<Visited> {
  return async (c, next) => {
    const visitor = await door.visitor(c);
    if (visitor !== null) c.set('visitor', visitor);
    else if (!OPEN.has(c.req.path)) {
      const wantsPage = c.req.method !== 'POST' && c.req.header('accept')?.includes('text/html') === true;
      if (wantsPage) return c.redirect('/login');
      return c.text('log in, or send the token as a bearer', 401, { 'WWW-Authenticate': 'Bearer' });
    }
    return next();
  };
}

/** A page of another origin can neither send a bearer nor know the word of a session. */
function ownForms({ log }: GuardParts): MiddlewareHandler<Visited> {
  const sameOrigin = csrf();
  return async (c, next) => {
    const visitor = c.get('visitor');
    if (c.req.method !== 'POST' || (visitor !== undefined && visitor.csrf === undefined)) return next();
    try {
      await sameOrigin(c, async () => undefined);
      const { csrf: given } = c.req.path === '/login' ? {} : await c.req.parseBody();
      if (visitor !== undefined && c.req.path !== '/login' && !isOwnForm(visitor, textOf(given)))
        throw new HTTPException(403);
    } catch (error) {
      const fields = { event: LOG_EVENTS.consoleRefused, remote: remoteOf(c), path: c.req.path };
      // Somebody's session was to be used; without one it is noise that anybody could make.
      if (visitor !== undefined) log.warn(fields, 'a form did not come from a page of this console');
      throw error;
    }
    return next();
  };
}

/** The log-in, and the acts where they are allowed. */
export function addActs(app: Hono<Visited>, { acts: clients, log, door, signal }: GuardParts): void {
  if (door === undefined) return;
  app.get('/login', (c) => show(c, loginPage()));
  app.post('/login', async (c) => {
    const remote = remoteOf(c);
    const { token } = await c.req.parseBody();
    const verdict = await door.judge(textOf(token) ?? '', remote);
    if (verdict === 'right') {
      door.enter(c);
      log.info({ event: LOG_EVENTS.consoleEntered, remote }, 'somebody logged in at the console');
      return c.redirect('/', 303);
    }
    if (verdict === 'wrong') return c.html(page(loginPage('That is not the token.')), 401);
    c.header('Retry-After', '60');
    return c.html(
      page(loginPage('That is not the token, and too many wrong ones came; the right one is let in at any time.')),
      429,
    );
  });
  app.post('/logout', (c) => {
    door.leave(c);
    return c.redirect('/login', 303);
  });
  if (clients === undefined) return;
  app.post(`${ACTS}:act`, async (c) => {
    const act = c.req.param('act');
    if (!isAct(act)) return c.notFound();
    const request = { clients, form: await c.req.parseBody(), remote: remoteOf(c), signal };
    const { words, back } = await carryOut(act, request, log);
    const body = html`<p class="problem well" role="status">${words}</p><p><a href="${back}">Go on</a></p>`;
    return show(c, { title: 'Done', body });
  });
}
