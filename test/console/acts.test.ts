/**
 * Log-in and acts over real HTTP, Redis and S3: who may not changes nothing, whatever the route; what each act does; what is
 * written to the log, and that no token is in a page or a line.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WRONG_MAX } from '../../src/console/door.ts';
import { createLogger } from '../../src/observe/log.ts';
import { monotonicMs } from '../../src/time.ts';
import { openHolds } from '../../src/wiring/clients.ts';
import { ConsoleWorld } from './world.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';
const BEARER = { authorization: `Bearer ${TOKEN}` };
const ALLOWED = { S3COMPACT_CONSOLE_ALLOW_ACTIONS: 'true' };
const PAGES = ['/', '/files', '/files/1', '/files/1/500', '/stuck', '/live/overview', '/live/files/1/500', '/nothing'];
const FORMS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  compact: { fs: '1', inode: '500' },
  release: { fs: '1', inode: '501' },
  pause: { fs: '1' },
  resume: { fs: '1' },
  'pause-all': { reap: 'yes' },
  'resume-all': {},
  hold: { fs: '1', reason: 'a backup', for: '6h' },
};
let console: ConsoleWorld;
let logged = '';

beforeAll(async () => {
  const clock = { monotonicMs: () => monotonicMs(performance.now()), sleep: async () => undefined };
  console = await ConsoleWorld.open('acts', {
    token: TOKEN,
    env: ALLOWED,
    log: createLogger({ level: 'info', destination: { write: (line) => (logged += line) } }),
    // A hold waits for a minute and a half, which is only counted here.
    clients: ({ reap, ledger }) => ({ holds: openHolds(reap.objects, ledger, clock) }),
  });
  await console.store(500n);
  await console.store(501n);
  const entry = { code: 'object-missing', reason: 'for the test', sinceMs: 1_800_000_000_000 };
  await console.world.clients.quarantine.put({ fsId: 1, inodeId: 501n }, entry);
  await console.world.clients.queue.enqueue({ fsId: 1, inodeId: 500n }, 'scan');
});
afterAll(() => console.close());

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
  readonly at?: ConsoleWorld;
}

/** A form, sent as a browser does from a page of the console. */
function send(path: string, { headers = {}, form = {}, at = console }: Sent = {}): Promise<Response> {
  const origin = new URL(at.url).origin;
  return at.get(path, { method: 'POST', headers: { origin, ...headers }, body: new URLSearchParams(form) });
}

/** Logs in; answers what a browser then has. */
async function enter(at = console) {
  const response = await send('/login', { form: { token: TOKEN }, at });
  expect(response.status).toBe(303);
  const set = response.headers.get('set-cookie') ?? '';
  const cookie = set.split(';')[0] ?? '';
  const page = await (await at.get('/', { headers: { cookie } })).text();
  return { set, cookie, csrf: /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? '', page };
}

describe('whoever shows no token', () => {
  it.each([
    ['nothing', {}],
    ['a wrong bearer', { authorization: 'Bearer wrong-token-wrong-token' }],
    ['an empty bearer', { authorization: 'Bearer ' }],
    ['a session that there is not', { cookie: 's3compact-session=AAAA' }],
  ])('%s: sees no page, does nothing, and changes nothing in Redis', async (_, headers) => {
    const before = await console.redis();
    for (const path of PAGES) {
      const response = await console.get(path, { headers });
      expect(response.status, path).toBe(401);
      expect(await response.text(), path).not.toContain('Overview');
      const asPage = await console.get(path, { headers: { ...headers, accept: 'text/html' } });
      expect([asPage.status, asPage.headers.get('location')], path).toEqual([302, '/login']);
      if ('authorization' in headers) break;
    }
    for (const [act, form] of Object.entries(FORMS)) {
      expect((await send(`/acts/${act}`, { headers, form })).status, act).toBe(401);
      if ('authorization' in headers) break;
    }
    expect((await send('/logout', { headers })).status).toBe(401);
    expect(await console.redis()).toEqual(before);
  });

  it('sees the log-in, and what it is drawn with', async () => {
    for (const path of ['/login', '/style.css', '/live.js', '/icon.svg']) {
      expect((await console.get(path)).status, path).toBe(200);
    }
  });
});

describe('whoever has logged in', () => {
  it('has a cookie for this origin alone, which is not the token; no page holds the token', async () => {
    const { set, cookie, csrf, page } = await enter();
    expect(set).toMatch(/; HttpOnly/);
    expect(set).toMatch(/; SameSite=Strict/);
    expect(set).toMatch(/; Path=\//);
    expect(set).not.toMatch(/Domain/);
    expect(page).toContain('action="/acts/pause-all"');
    expect(csrf).not.toBe('');
    for (const path of PAGES.filter((one) => !one.startsWith('/live'))) {
      const text = await (await console.get(path, { headers: { cookie } })).text();
      expect(text, path).not.toContain(TOKEN);
      expect(text, path).not.toContain(cookie.split('=')[1]);
    }
    expect(cookie).not.toContain(TOKEN);
  });

  it('acts only by forms of these pages: not without their word, not with that of another session, not from elsewhere', async () => {
    const [{ cookie, csrf }, other] = [await enter(), await enter()];
    const before = await console.redis();
    for (const [act, form] of Object.entries(FORMS)) {
      const path = `/acts/${act}`;
      expect((await send(path, { headers: { cookie }, form })).status, act).toBe(403);
      expect((await send(path, { headers: { cookie }, form: { ...form, csrf: other.csrf } })).status, act).toBe(403);
      const foreign = { cookie, origin: 'http://evil.example' };
      expect((await send(path, { headers: foreign, form: { ...form, csrf } })).status, act).toBe(403);
      const without = { method: 'POST', headers: { cookie }, body: new URLSearchParams({ ...form, csrf }) };
      expect((await console.get(path, without)).status, act).toBe(403);
      const json = { cookie, 'content-type': 'application/json' };
      const body = JSON.stringify({ ...form, csrf });
      expect((await console.get(path, { method: 'POST', headers: json, body })).status, act).toBe(403);
    }
    expect((await send('/login', { headers: { origin: 'http://evil.example' }, form: { token: TOKEN } })).status).toBe(
      403,
    );
    expect(await console.redis()).toEqual(before);
  });

  it('is out when the session is ended, whoever has the cookie', async () => {
    const { cookie, csrf } = await enter();
    const open = await console.get('/live/overview', { headers: { cookie } });
    expect(open.status).toBe(200);
    expect((await send('/logout', { headers: { cookie } })).status).toBe(403);
    expect((await send('/logout', { headers: { cookie }, form: { csrf } })).status).toBe(303);
    expect((await console.get('/', { headers: { cookie } })).status).toBe(401);
    // What was open ends at the next sample.
    await open.text();
  });

  it('gets a form that is too large, unknown or cannot be read refused, and nothing is done', async () => {
    const { cookie, csrf } = await enter();
    const before = await console.redis();
    const status = async (path: string, form: Readonly<Record<string, string>>) =>
      (await send(path, { headers: { cookie }, form: { csrf, ...form } })).status;
    expect(await status('/acts/hold', { fs: '1', reason: 'x'.repeat(20_000) })).toBe(413);
    expect(await status('/acts/constructor', {})).toBe(404);
    expect(await status('/acts/pause', {})).toBe(422);
    expect(await status('/acts/pause', { fs: '7' })).toBe(404);
    expect(await status('/acts/compact', { fs: '1', inode: '999' })).toBe(404);
    expect(await status('/acts/compact', { fs: '1', inode: 'x' })).toBe(422);
    expect(await status('/acts/hold', { fs: '1', reason: 'a backup', for: 'soon' })).toBe(422);
    expect(await console.redis()).toEqual(before);
  });
});

describe('acts', () => {
  const act = async (name: string) => {
    const { cookie, csrf } = await enter();
    const response = await send(`/acts/${name}`, { headers: { cookie }, form: { csrf, ...FORMS[name] } });
    expect(response.status, name).toBe(200);
    return /role="status">([^<]*)</.exec(await response.text())?.[1];
  };
  const linesOf = (name: string) => logged.split('\n').filter((line) => line.includes(`"act":"${name}"`));

  it('a file in quarantine is offered its release, another one a run', async () => {
    const { cookie } = await enter();
    const page = async (inode: number) => (await console.get(`/files/1/${inode}`, { headers: { cookie } })).text();
    const [free, stopped] = [await page(500), await page(501)];
    for (const [act, other, text] of [
      ['compact', 'release', free],
      ['release', 'compact', stopped],
    ] as const) {
      expect(text).toContain(`action="/acts/${act}"`);
      expect(text).not.toContain(`action="/acts/${other}"`);
    }
  });

  it('compact: a job that waited among others comes first', async () => {
    const { queue } = console.world.clients;
    const jobId = (await queue.jobIdOf({ fsId: 1, inodeId: 500n })) ?? '';
    expect((await queue.queue.getJob(jobId))?.priority).toBeGreaterThan(1);
    expect(await act('compact')).toBe('file 1/500 is queued before all others');
    expect((await queue.queue.getJob(jobId))?.priority).toBe(1);
  });

  it('release: the inode is out of quarantine and queued', async () => {
    const { queue, quarantine } = console.world.clients;
    const key = { fsId: 1, inodeId: 501n };
    expect(await act('release')).toBe('inode 1/501 is released, and queued');
    expect([await quarantine.get(key), await queue.jobIdOf(key)]).toEqual([null, expect.any(String)]);
    expect(await act('release')).toBe('inode 1/501 was not in quarantine');
  });

  it('pause and resume: one file system, by whom is said; and everything', async () => {
    const { control } = console.world.clients;
    expect(await act('pause')).toBe('file system 1 is paused');
    expect((await control.paused()).filesystems).toMatchObject([{ fsId: 1, by: 'console, 127.0.0.1' }]);
    expect(await act('resume')).toBe('file system 1 is resumed; 0 jobs came back');
    expect(await act('pause-all')).toBe('everything, deleting included, is paused');
    expect(await control.paused()).toMatchObject({ compact: true, reap: true });
    expect(await act('pause')).toBe('file system 1 is paused');
    expect(await act('resume-all')).toBe('everything is resumed, also file system 1; 0 jobs came back');
    expect(await control.paused()).toEqual({ compact: false, reap: false, filesystems: [] });
  });

  it('hold: it stands in the bucket', async () => {
    expect(await act('hold')).toMatch(/^file system 1 is held by \w+/);
    const { metadata, holds } = console.world.clients;
    const filesystem = await metadata.getFilesystem(1);
    if (filesystem === null) throw new Error('no file system');
    const [held] = await holds.list(filesystem);
    expect(held).toMatchObject({ kind: 'stands', hold: { reason: 'a backup', by: 'console, 127.0.0.1' } });
  });

  it('a bearer needs no form of a page', async () => {
    const form = FORMS['pause-all'] ?? {};
    const paused = await console.get('/acts/pause-all', {
      method: 'POST',
      headers: BEARER,
      body: new URLSearchParams(form),
    });
    expect(paused.status).toBe(200);
    expect((await console.get('/acts/resume-all', { method: 'POST', headers: BEARER })).status).toBe(200);
  });

  it('each is a line of the log with who and what; no line holds the token', async () => {
    for (const name of Object.keys(FORMS)) expect(linesOf(name).length, name).toBeGreaterThan(0);
    const done = linesOf('compact').map((line) => JSON.parse(line) as Record<string, unknown>);
    const line = { event: 'console.acted', remote: '127.0.0.1', fsId: 1, inodeId: '500', outcome: 'done' };
    expect(done).toContainEqual(expect.objectContaining(line));
    expect(linesOf('pause').some((text) => text.includes('"outcome":"filesystem-missing"'))).toBe(true);
    for (const event of ['console.entered', 'console.refused']) expect(logged).toContain(`"event":"${event}"`);
    expect(logged).not.toContain(TOKEN);
  });
});

describe('other consoles', () => {
  const opened: ConsoleWorld[] = [];
  const open = async (options: Parameters<typeof ConsoleWorld.open>[1]) => {
    const world = await ConsoleWorld.open('acts-other', options);
    opened.push(world);
    return world;
  };
  afterAll(() => Promise.all(opened.map((one) => one.close())));

  it('with a token and without --allow-actions: who has logged in may read, and nobody may act', async () => {
    const at = await open({ token: TOKEN });
    const { cookie, csrf, page } = await enter(at);
    expect(page).not.toContain('/acts/');
    const before = await at.redis();
    for (const [act, form] of Object.entries(FORMS)) {
      const headers = { cookie, ...BEARER };
      expect((await send(`/acts/${act}`, { headers, form: { ...form, csrf }, at })).status, act).toBe(405);
    }
    expect(await at.redis()).toEqual(before);
  });

  it('without a token: there is no log-in, and a token opens nothing', async () => {
    const at = await open({});
    expect((await at.get('/login')).status).toBe(404);
    expect((await send('/login', { form: { token: '' }, at })).status).toBe(405);
    for (const act of Object.keys(FORMS))
      expect((await send(`/acts/${act}`, { headers: BEARER, at })).status).toBe(405);
  });

  it('wrong tokens are counted: after ten more are refused for a minute, and the right one is let in', async () => {
    const at = await open({ token: TOKEN });
    const statusOf = async (token: string) => (await send('/login', { form: { token }, at })).status;
    const { cookie } = await enter(at);
    for (let n = 0; n < WRONG_MAX; n++) expect(await statusOf(`wrong-${n}`)).toBe(401);
    expect(await statusOf('wrong')).toBe(429);
    expect(await statusOf(TOKEN)).toBe(303);
    expect((await at.get('/', { headers: BEARER })).status).toBe(200);
    expect((await at.get('/', { headers: { cookie } })).status).toBe(200);
  });

  it('with a token it may be reached from elsewhere, under any name', async () => {
    const at = await open({ token: TOKEN, env: { S3COMPACT_CONSOLE_LISTEN: '0.0.0.0:0' } });
    const { port } = new URL(at.url);
    expect((await fetch(`http://127.0.0.1:${port}/`, { headers: { ...BEARER, host: 'other.example' } })).status).toBe(
      200,
    );
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(401);
  });

  it('the command reads the token from the environment, and is refused with one that could be guessed', async () => {
    const env = { S3COMPACT_CONSOLE_LISTEN: '127.0.0.1:0' };
    const without = await console.world.command(['console', '--allow-actions'], env);
    expect([without.exitCode, without.stderr]).toEqual([2, expect.stringContaining('set S3COMPACT_CONSOLE_TOKEN\n')]);
    const guessed = await console.world.command(['console'], { ...env, S3COMPACT_CONSOLE_TOKEN: 'short-one' });
    expect([guessed.exitCode, guessed.stderr]).toEqual([2, expect.stringContaining('must be 16 to 256')]);
    expect(guessed.stderr).not.toContain('short-one');
  });

  it.each([
    ['acts without a token', ALLOWED, undefined, /^--allow-actions needs .*set S3COMPACT_CONSOLE_TOKEN$/],
    ['acts with an empty token', ALLOWED, '', /^--allow-actions needs .*set S3COMPACT_CONSOLE_TOKEN$/],
    ['a token that could be guessed', {}, 'short', /^S3COMPACT_CONSOLE_TOKEN must be 16 to 256/],
    ['another address without a token', { S3COMPACT_CONSOLE_LISTEN: '0.0.0.0:0' }, undefined, /^--listen 0\.0\.0\.0:0/],
  ])('%s: it does not start, says why, and does not repeat the token', async (_, env, token, words) => {
    const failure = await open({ env, ...(token === undefined ? {} : { token }) }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ kind: 'halt', code: 'settings-invalid', message: expect.stringMatching(words) });
    if (token) expect((failure as Error).message).not.toContain(token);
  });
});
