/**
 * Who may come in: whoever shows the token, as a bearer with each request or once in the log-in form for a session. Tokens
 * are compared by their hashes in constant time; wrong ones are counted, and never keep the right one out. Sessions live in this process alone, each with
 * a word that its forms must carry. It knows no page and no act.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { CompactError } from '../errors.ts';

/** Its length is what keeps guesses from succeeding, however many there are: anything shorter could be guessed. What a bearer may be made of. */
const TOKEN = /^[A-Za-z0-9._~+/-]{16,256}=*$/;
const COOKIE = 's3compact-session';
const SESSION_S = 12 * 3_600;
/** The oldest goes. */
const SESSIONS_MAX = 1_000;
/** Wrong tokens in a window, of one address and of all; the second also bounds the addresses that are remembered. */
const WINDOW_S = 60;
export const WRONG_MAX = 10;
const WRONG_ALL_MAX = 100;
const ALL = 'all';

interface Visitor {
  /** What forms must carry; absent: it shows the token with each request, which no page of another can. */
  readonly csrf?: string;
  /** Still: a stream outlives the request that it began with. */
  isIn(): boolean;
}

/** What a request carries from the guards on. */
export interface Visited {
  readonly Variables: { readonly visitor?: Visitor };
}

interface DoorDeps {
  readonly monotonicMs: () => number;
  /** A wrong token was shown; not called for `later`, so not more often than WRONG_ALL_MAX in a window. */
  readonly onWrong: (remote: string) => void;
}

interface Session {
  readonly csrf: string;
  readonly untilMs: number;
}

export class Door {
  readonly #hash: Buffer;
  readonly #deps: DoorDeps;
  readonly #sessions = new Map<string, Session>();
  readonly #wrong = new RateLimiterMemory({ points: WRONG_MAX, duration: WINDOW_S });
  readonly #wrongOfAll = new RateLimiterMemory({ points: WRONG_ALL_MAX, duration: WINDOW_S });

  /** Throws `settings-invalid` (halt) for a token that is none. */
  constructor(token: string, deps: DoorDeps) {
    if (!TOKEN.test(token)) {
      throw new CompactError(
        'S3COMPACT_CONSOLE_TOKEN must be 16 to 256 letters, digits and . _ ~ + / - (openssl rand -base64 32); nothing was started',
        { kind: 'halt', code: 'settings-invalid' },
      );
    }
    this.#hash = hashOf(token);
    this.#deps = deps;
  }

  /** later: wrong, and too many wrong ones came before it. Behind a proxy all share an address, so the right one is let in. */
  async judge(token: string, remote: string): Promise<'right' | 'wrong' | 'later'> {
    if (timingSafeEqual(hashOf(token), this.#hash)) return 'right';
    const seen = await Promise.all([this.#wrong.get(remote), this.#wrongOfAll.get(ALL)]);
    if (seen.some((one) => one !== null && one.remainingPoints <= 0)) return 'later';
    await Promise.allSettled([this.#wrong.consume(remote), this.#wrongOfAll.consume(ALL)]);
    this.#deps.onWrong(remote);
    return 'wrong';
  }

  /** Who asks; `null`: nobody who may. */
  async visitor(c: Context): Promise<Visitor | null> {
    const bearer = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (bearer !== undefined) return (await this.judge(bearer, remoteOf(c))) === 'right' ? { isIn: () => true } : null;
    const id = sessionOf(c);
    const session = this.#sessions.get(id);
    if (session === undefined) return null;
    const isIn = () => this.#sessions.has(id) && session.untilMs > this.#deps.monotonicMs();
    return isIn() ? { csrf: session.csrf, isIn } : null;
  }

  /** Begins a session. */
  enter(c: Context): void {
    const id = word();
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size >= SESSIONS_MAX && oldest !== undefined) this.#sessions.delete(oldest);
    const untilMs = this.#deps.monotonicMs() + SESSION_S * 1_000;
    this.#sessions.set(hashOf(id).toString('hex'), { csrf: word(), untilMs });
    // A header that anybody may send can only make the cookie stricter.
    const secure = c.req.header('x-forwarded-proto') === 'https';
    setCookie(c, COOKIE, id, { httpOnly: true, sameSite: 'Strict', path: '/', maxAge: SESSION_S, secure });
  }

  /** Ends the session. */
  leave(c: Context): void {
    this.#sessions.delete(sessionOf(c));
    deleteCookie(c, COOKIE, { path: '/' });
  }
}

/** Whether a form comes from a page that this visitor was given. */
export function isOwnForm({ csrf }: Pick<Visitor, 'csrf'>, given: string | undefined): boolean {
  return csrf === undefined || timingSafeEqual(hashOf(given ?? ''), hashOf(csrf));
}

/** The address at the other end of the connection: behind a proxy, the proxy's. */
export function remoteOf(c: Context): string {
  return getConnInfo(c).remote.address ?? 'unknown';
}

function sessionOf(c: Context): string {
  return hashOf(getCookie(c, COOKIE) ?? '').toString('hex');
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function word(): string {
  return randomBytes(32).toString('base64url');
}
