/** The console of a volume in the slice layout, made key by key: what each page shows, and that it only reads. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import { type RunningConsole, startVolumeConsole } from '../../src/console/server.ts';
import { type VolumeSeen, VolumeWalk } from '../../src/console/slices/volume-walk.ts';
import { CompactError } from '../../src/errors.ts';
import { createLogger } from '../../src/observe/log.ts';
import { RawVolume, wholeSlice } from '../kit/juicefs/raw-volume.ts';
import { uniquePrefix } from '../setup/isolation.ts';

const MIB = 1024 * 1024;
const ROUTES = [
  '/',
  '/files',
  '/files?sort=gets',
  '/files?inode=2',
  '/files?inode=/worst.bin',
  '/files?inode=/nothing',
  '/stuck',
  '/files/1/2',
  '/files/1/2?chunk=0',
  '/files/1/2?chunk=7',
  '/files/1/4',
  '/files/1/1',
  '/files/1/999',
  '/files/2/2',
  '/files/1',
  '/live/overview',
  '/acts/pause',
  '/style.css',
  '/live.js',
  '/icon.svg',
];
const log = createLogger({ level: 'silent' });
let redis: Redis;
let raw: RawVolume;
let running: RunningConsole;

function settings(env: Readonly<Record<string, string>> = {}) {
  const own = { METADATA_URL: 'juicefs+redis://127.0.0.1/1', S3COMPACT_CONSOLE_LISTEN: '127.0.0.1:0' };
  return loadSettings({ flags: {}, env: { ...own, ...env } });
}

beforeAll(async () => {
  redis = new Redis(inject('redisUrl'));
  raw = new RawVolume(redis, `{${uniquePrefix('volume-console')}}`);
  await raw.format('vol');
  // 8 MiB, of which the second half was written over: 4 MiB hidden.
  await raw.inode(2, { length: 8 * MIB });
  await raw.name(1, 'worst.bin', 'file', 2);
  await raw.list(2, 0, [wholeSlice(11, 0, 8 * MIB), wholeSlice(12, 4 * MIB, 4 * MIB)]);
  // Forty small appends: nothing is hidden, and forty GETs are 39 too many.
  await raw.inode(3, { length: 40 * 1024 });
  await raw.name(1, '<img src=x>', 'file', 3);
  const appends = Array.from({ length: 40 }, (_, n) => wholeSlice(100 + n, n * 1024, 1024));
  await raw.list(3, 0, appends);
  await raw.inode(4, { length: MIB });
  await raw.list(4, 0, [Buffer.from('not a record')]);
  await raw.delayed(9, 1_000, [{ id: 77, size: 3 * MIB }]);
  running = await startVolumeConsole(raw.volume, settings(), { log, token: undefined });
});
afterAll(async () => {
  await running.close();
  await raw.volume.close();
  redis.disconnect();
});

function get(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(new URL(path, running.url), { redirect: 'manual', ...init });
}

async function text(path: string): Promise<string> {
  const response = await get(path);
  expect(response.status, path).toBe(200);
  return response.text();
}

/** The cells of the row that has this. */
function rowOf(page: string, mark: string): readonly string[] {
  const row = page.split('<tr>').find((one) => one.includes(mark)) ?? '';
  return [...row.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, cell = '']) => cell.replaceAll(/<[^>]*>/g, ''));
}

describe('the pages', () => {
  it('the overview counts what is stored, shown and hidden, what waits, and what is damaged', async () => {
    const page = await text('/');
    expect(rowOf(page, '<td>files</td>')).toEqual(['files', '3', '9 MiB', '12 MiB', '4 MiB', '0 B', '43']);
    expect(rowOf(page, 'delete delayed')).toEqual(['replaced, delete delayed', '', '', '3 MiB', '', '', '1 slice']);
    expect(page).toContain('of its files 4 MiB are hidden');
    expect(page).toContain('<strong>1 inode</strong> cannot be read');
    expect(page).toMatch(/a walk that ended \d+s ago/);
  });

  it('the files are sorted by what is hidden, or by GETs too many', async () => {
    const order = (page: string) => [...page.matchAll(/href="\/files\/1\/(\d+)"/g)].map(([, inode]) => inode);
    const byWaste = await text('/files');
    expect(order(byWaste)[0]).toBe('2');
    expect(rowOf(byWaste, '/files/1/2"')).toEqual(['1/2', '8 MiB', '12 MiB', '4 MiB', '2', '2', '/worst.bin']);
    const byGets = await text('/files?sort=gets');
    expect(order(byGets)[0]).toBe('3');
    expect(rowOf(byGets, '/files/1/3"')).toEqual(['1/3', '40 KiB', '40 KiB', '0 B', '40', '1', '/&lt;img src=x&gt;']);
  });

  it('a file is found by its path and by its inode', async () => {
    for (const wanted of ['/worst.bin', '2', ' 2 ']) {
      const answer = await get(`/files?inode=${encodeURIComponent(wanted)}`);
      expect([answer.status, answer.headers.get('location')]).toEqual([302, '/files/1/2']);
    }
    expect((await get('/files?inode=/nothing')).status).toBe(404);
  });

  it('a file is drawn as it is and as compacting would leave it, with the figures of the plan', async () => {
    const page = await text('/files/1/3');
    expect(page.match(/<svg class="map"/g)).toHaveLength(2);
    expect(page).toContain('before: a full read takes <strong>40 GETs</strong>');
    expect(page).toContain('after: a full read takes <strong>1 GET</strong>');
    expect(rowOf(page, '<td>GETs of a full read</td>')).toEqual(['GETs of a full read', '40', '1', '39']);
    expect(page).toContain('read 40 KiB in 40 GETs, write 40 KiB in 1 PUT');
    expect(page).toContain('Nothing was changed');
    expect(rowOf(page, 'vol/chunks/0/0/103_0_1024')).toEqual([
      '3,072',
      '4,096',
      '1 KiB',
      '3',
      'vol/chunks/0/0/103_0_1024',
    ]);
    expect(page).not.toContain('<img');
  });

  it('a map shows which slice is seen where, in which object, and what is beyond the end', async () => {
    const page = await text('/files/1/2');
    expect(page).toMatch(/<title>slice 11, bytes 0 to [\d,]+, object vol\/chunks\/0\/0\/11_0_4194304<\/title>/);
    expect(page).toMatch(/<title>slice 12, bytes 4,194,304 to [\d,]+, object vol\/chunks\/0\/0\/12_0_4194304<\/title>/);
    expect(page).toContain('<title>beyond the end of the file, bytes');
    expect(await text('/files/1/2?chunk=7')).toContain('No such chunk has a list that can be read');
  });

  it('a damaged list is said as what it is, and the rest is shown', async () => {
    expect(await text('/stuck')).toMatch(/<li>damaged: .*inode 4\b/);
    expect(rowOf(await text('/stuck'), 'of these overdue')).toEqual(['of these overdue', '1 slice', '']);
    expect(await text('/files/1/4')).toMatch(/<strong>Damaged<\/strong>: .*inode 4\b/);
  });

  it('what is not there, or is no file, is said in words', async () => {
    for (const path of ['/files/1/999', '/files/2/2', '/files/2', '/live/overview'])
      expect((await get(path)).status, path).toBe(404);
    const directory = await get('/files/1/1');
    expect([directory.status, await directory.text()]).toEqual([422, expect.stringContaining('is a directory')]);
  });
});

describe('reading', () => {
  it('changes nothing, whatever is asked and by whatever method', async () => {
    const dump = async () => {
      const keys = (await redis.keys(`${raw.prefix}*`)).toSorted();
      return Promise.all(keys.map(async (key) => [key, (await redis.dumpBuffer(key))?.toString('hex')]));
    };
    const before = await dump();
    for (const route of ROUTES) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']) {
        const response = await get(route, { method });
        await response.arrayBuffer();
        expect(response.headers.get('content-security-policy'), route).toContain("default-src 'none'");
        if (method !== 'GET' && method !== 'HEAD') expect(response.status, `${method} ${route}`).toBe(405);
        else expect(response.status, `${method} ${route}`).toBeLessThan(500);
      }
    }
    expect(await dump()).toEqual(before);
  });

  it('wants the token where there is one, and cannot be made to act', async () => {
    const token = 'a-token-of-the-tests-0123456789';
    const guarded = await startVolumeConsole(raw.volume, settings(), { log, token });
    try {
      expect((await fetch(guarded.url)).status).toBe(401);
      const headers = { authorization: `Bearer ${token}` };
      expect((await fetch(guarded.url, { headers })).status).toBe(200);
      expect((await fetch(new URL('/acts/pause-all', guarded.url), { method: 'POST', headers })).status).toBe(405);
    } finally {
      await guarded.close();
    }
    const open = startVolumeConsole(raw.volume, settings({ S3COMPACT_CONSOLE_ALLOW_ACTIONS: 'true' }), { log });
    await expect(open).rejects.toThrow(/set S3COMPACT_CONSOLE_TOKEN/);
  });
});

describe('the walk', () => {
  it('waits for paths no longer than a page may take, has them at a later look, and asks for each once', async () => {
    const { volume } = raw;
    const asked: (readonly bigint[])[] = [];
    const gate = Promise.withResolvers<void>();
    const slow = Object.assign(Object.create(volume) as typeof volume, {
      setting: () => volume.setting(),
      walk: () => volume.walk(),
      waiting: () => volume.waiting(),
      pathsOf: async (inodeIds: readonly bigint[]) => {
        asked.push(inodeIds);
        await gate.promise;
        return volume.pathsOf(inodeIds);
      },
    });
    const walk = new VolumeWalk({
      volume: slow,
      monotonicMs: () => 0,
      waitMs: 0,
      signal: new AbortController().signal,
    });
    await vi.waitUntil(async () => (await walk.look()).files === undefined, { timeout: 600_000 });
    const paths = async () => (await walk.worst('waste')).top.map(({ path }) => path);
    expect([await paths(), await paths()]).toEqual([[null], [null]]);
    gate.resolve();
    await vi.waitUntil(async () => (await paths())[0] === '/worst.bin', { timeout: 600_000 });
    expect(asked).toEqual([[2n]]);
  });

  it('goes on while nobody looks, and what a whole one found is shown until the next has ended', async () => {
    const { volume } = raw;
    let gate = Promise.withResolvers<void>();
    const held = Object.assign(Object.create(volume) as typeof volume, {
      setting: () => volume.setting(),
      waiting: () => volume.waiting(),
      walk: async function* () {
        for await (const page of volume.walk()) {
          await gate.promise;
          yield page;
        }
      },
    });
    let nowMs = 0;
    const { signal } = new AbortController();
    const walk = new VolumeWalk({ volume: held, monotonicMs: () => nowMs, waitMs: 0, signal });
    const whole = () => vi.waitUntil(async () => (await walk.look()).files === undefined, { timeout: 600_000 });
    const filesOf = (seen: VolumeSeen) => seen.report('waste').live.files;
    const first = await walk.look();
    expect([first.ageMs, first.files, filesOf(first)]).toEqual([undefined, 0, 0]);
    gate.resolve();
    await whole();
    const before = await walk.look();
    expect([before.ageMs, filesOf(before)]).toEqual([0, 3]);
    await raw.inode(5, { length: 0 });
    nowMs = 3_600_000;
    gate = Promise.withResolvers();
    const second = await walk.look();
    expect([second.ageMs, second.files, filesOf(second)]).toEqual([3_600_000, 0, 3]);
    // It may come before a page waits for it.
    gate.promise.catch(() => undefined);
    gate.reject(new CompactError('it is away', { kind: 'retry', code: 'metadata-unavailable' }));
    await vi.waitUntil(() =>
      walk.look().then(
        () => false,
        ({ message }: Error) => message === 'it is away',
      ),
    );
    gate = Promise.withResolvers();
    gate.resolve();
    await whole();
    expect(filesOf(await walk.look())).toBe(4);
    await redis.del(`${raw.prefix}i5`);
  });
});
