/** Acts on a volume in the slice layout: the same forms, guards and log as for blocks, each as its command does it; no hold. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { WorkClients } from '../../src/wiring/work-clients.ts';
import { KEY, STOPPED, TOKEN, VolumeConsoleWorld } from './volume-world.ts';

let world: VolumeConsoleWorld;
let clients: WorkClients;

beforeAll(async () => {
  world = await VolumeConsoleWorld.open();
  ({ clients } = world);
});
afterAll(() => world.close());

function fetched(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(new URL(path, world.url), { redirect: 'manual', ...init });
}

function post(path: string, form: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) {
  const { origin } = new URL(world.url);
  return fetched(path, { method: 'POST', headers: { origin, ...headers }, body: new URLSearchParams(form) });
}

/** What was said of an act, and where it leads. */
async function act(name: string, form: Readonly<Record<string, string>>): Promise<string | undefined> {
  const response = await post(`/acts/${name}`, form, { authorization: `Bearer ${TOKEN}` });
  const page = await response.text();
  expect(response.status, page).toBe(200);
  const back = /<a href="([^"]+)">Go on/.exec(page)?.[1] ?? '';
  expect((await fetched(back, { headers: { authorization: `Bearer ${TOKEN}` } })).status, back).toBeLessThan(400);
  return /role="status">([^<]*)</.exec(page)?.[1];
}

it('whoever has not shown the token does nothing', async () => {
  for (const name of ['compact', 'release', 'pause', 'resume', 'pause-all', 'resume-all'])
    expect((await post(`/acts/${name}`, { fs: '1', inode: '5' })).status).toBe(401);
  expect(await clients.control.paused()).toMatchObject({ compact: false, filesystems: [] });
  expect(await clients.quarantine.get(STOPPED)).not.toBeNull();
});

it('each page has the forms that fit it, and no hold; a file in quarantine is said and offered its release', async () => {
  const entered = await post('/login', { token: TOKEN });
  const headers = { cookie: (entered.headers.get('set-cookie') ?? '').split(';')[0] ?? '' };
  const actsOn = async (path: string) => {
    const page = await (await fetched(path, { headers })).text();
    return { page, acts: [...page.matchAll(/action="\/acts\/([^"]+)"/g)].map(([, name]) => name) };
  };
  expect((await actsOn('/')).acts).toEqual(['pause-all', 'resume-all']);
  expect((await actsOn('/files')).acts).toEqual(['pause', 'resume']);
  expect((await actsOn('/files/1/5')).acts).toEqual(['compact']);
  for (const path of ['/files/1/6', '/stuck']) {
    const { acts, page } = await actsOn(path);
    expect(acts).toEqual(['release']);
    expect(page).toContain('for the test');
  }
  expect((await actsOn('/stuck')).page).toContain('Waits to be deleted');
});

it('compact, release, pause and resume do what their commands do, and each is a line of the log; the volume stays as it is', async () => {
  const before = await world.volumeKeys();
  expect(await act('compact', { fs: '1', inode: '5' })).toBe('file 1/5 is queued before all others');
  const job = await clients.queue.queue.getJob((await clients.queue.jobIdOf(KEY)) ?? '');
  expect(job?.priority).toBe(1);
  expect(await act('release', { fs: '1', inode: '6' })).toBe('inode 1/6 is released, and queued');
  expect(await clients.quarantine.get(STOPPED)).toBeNull();
  expect(await clients.queue.jobIdOf(STOPPED)).not.toBeNull();
  expect(await act('pause', { fs: '1' })).toBe('file system 1 is paused');
  expect(await clients.control.paused()).toMatchObject({ filesystems: [{ fsId: 1 }] });
  expect(await act('resume', { fs: '1' })).toMatch(/^file system 1 is resumed/);
  expect(await act('pause-all', { reap: 'yes' })).toContain('deleting included');
  expect(await clients.control.paused()).toMatchObject({ compact: true, reap: true });
  expect(await act('resume-all', {})).toContain('everything is resumed');
  expect(world.acted).toBe(6);
  expect(await world.volumeKeys()).toEqual(before);
});

it('a hold, another file system and a file that is not there are refused, and nothing is done', async () => {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const status = async (name: string, form: Readonly<Record<string, string>>) =>
    (await post(`/acts/${name}`, form, headers)).status;
  expect(await status('hold', { fs: '1', reason: 'a backup' })).toBe(422);
  expect(await status('pause', { fs: '2' })).toBe(404);
  expect(await status('compact', { fs: '1', inode: '999' })).toBe(404);
  expect(await status('compact', { fs: '1', inode: '1' })).toBe(422);
  expect(await clients.control.paused()).toMatchObject({ filesystems: [] });
});
