/** The console over real HTTP, Redis and S3: what each page shows, that reading changes nothing, what it refuses. */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isLoopbackHost, listenAddress } from '../../src/console/server.ts';
import { requireFilesystem } from '../../src/metadata/lookup.ts';
import { askCounts } from '../../src/view/ask-status.ts';
import { ConsoleWorld } from './world.ts';

const KEY = { fsId: 1, inodeId: 500n };
const ROUTES = [
  '/',
  '/files',
  '/files?fs=1',
  '/files?fs=1&inode=500',
  '/files/1',
  '/files/1?sort=waste',
  '/files/1/500',
  '/files/1/500?chunk=0',
  '/files/1/500?chunk=77',
  '/files/1/501',
  '/files/1/500/what-if',
  '/files/1/999/what-if',
  '/files/1/999',
  '/files/2',
  '/stuck',
  '/stuck?quarantine=1&failed=50&delayed=x&records=9',
  '/live/nothing',
  '/style.css',
  '/live.js',
  '/icon.svg',
];
let console: ConsoleWorld;

beforeAll(async () => {
  console = await ConsoleWorld.open('console');
  await console.store(KEY.inodeId);
  await console.store(501n);
  await console.store(502n);
  await console.world.clients.quarantine.put(
    { fsId: 1, inodeId: 501n },
    { code: 'object-missing', reason: '<img src=x onerror=alert(1)>', sinceMs: 1_800_000_000_000 },
  );
  await console.world.clients.queue.enqueue(KEY, 'scan');
  // The bucket is ours and has no hold: whoever looks must leave the file system in the book all the same.
  await console.world.clients.ownership.require(await requireFilesystem(console.world.clients.metadata, 1));
  await console.world.clients.holdBook.note(1);
});
afterAll(() => console.close());

describe('the pages', () => {
  it('the overview shows the queue and its problem', async () => {
    // The page shows the last sample, which may be older than the job.
    const text = await vi.waitFor(
      async () => {
        const page = await console.text('/');
        expect(page).toContain('1</strong> waiting');
        return page;
      },
      { timeout: 120_000, interval: 200 },
    );
    expect(text).toMatch(/1 job waiting and no worker is connected/);
  });

  it('the worst files are those of the planner, with their states', async () => {
    const text = await console.text('/files/1');
    expect(text).toContain('That is the whole file system.');
    expect(text).toContain('href="/files/1/500"');
    expect(text).toContain('<td>waiting</td>');
    expect(text).toContain('<td>quarantined</td>');
    expect(text).toContain('<td>quiet</td>');
    const { stdout } = await console.world.command(['plan', '1', '502', '--json']);
    const { gain } = JSON.parse(stdout) as { readonly gain: Readonly<Record<string, number>> };
    expect(text).toMatch(rowOf(502, [gain['versionsBefore'], gain['getsBefore']]));
  });

  it('one file is drawn before and after, with the figures of plan', async () => {
    const { stdout } = await console.world.command(['plan', '1', '500', '--json']);
    const { gain } = JSON.parse(stdout) as {
      readonly gain: { readonly getsBefore: number; readonly getsAfter: number };
    };
    const text = await console.text('/files/1/500');
    expect(text.match(/<svg class="map"/g)?.length).toBeGreaterThanOrEqual(2);
    expect(text).toContain(`<td class="n">${gain.getsBefore.toLocaleString('en-US')}</td>`);
    expect(text).toContain(`<td class="n">${gain.getsAfter.toLocaleString('en-US')}</td>`);
    expect(text).toContain('object 1_500_');
  });

  it('what a store, a file or a person said is text and never HTML', async () => {
    const text = await console.text('/files/1/501');
    expect(text).toContain('&lt;img src=x onerror=alert(1)&gt;');
    expect(text).not.toContain('<img');
  });

  it('what is not there is said to be missing, in words', async () => {
    for (const path of ['/files/1/999', '/files/2', '/files/x', '/nothing']) {
      expect((await console.get(path)).status, path).toBe(404);
    }
    expect(await (await console.get('/files/1/999')).text()).toContain('does not exist');
  });
});

/** Of the table of files, with these figures side by side. */
function rowOf(inode: number, figures: readonly (number | undefined)[]): RegExp {
  const cells = figures.map((figure) => `<td class="n">${figure?.toLocaleString('en-US')}</td>`).join('');
  return new RegExp(`/files/1/${inode}"(?:(?!<tr>).)*${cells}`);
}

describe('reading', () => {
  it('changes nothing in Redis, whatever is asked and by whatever method', async () => {
    const before = await console.redis();
    expect(before.size).toBeGreaterThan(5);
    for (const route of ROUTES) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']) {
        const response = await console.get(route, { method });
        await response.arrayBuffer();
        if (method !== 'GET' && method !== 'HEAD') expect(response.status, `${method} ${route}`).toBe(405);
      }
    }
    expect(await console.redis()).toEqual(before);
  });

  it('every answer forbids scripts, styles and frames of others', async () => {
    for (const route of ROUTES) {
      const { headers } = await console.get(route);
      expect(headers.get('content-security-policy'), route).toContain("default-src 'none'");
      expect(headers.get('content-security-policy'), route).not.toContain('unsafe');
      expect(headers.get('x-content-type-options'), route).toBe('nosniff');
      expect(headers.get('cache-control'), route).toBe('no-store');
    }
  });

  it('no page asks another host for anything', async () => {
    for (const route of ['/', '/files', '/files/1', '/files/1/500']) {
      expect(await console.text(route), route).not.toMatch(/(?:src|href|action)="(?:https?:)?\/\//);
    }
  });

  it('a page of another name that leads here gets nothing', async () => {
    const { hostname, port } = new URL(console.url);
    const status = await new Promise((resolve, reject) => {
      request({ hostname, port, path: '/', headers: { host: 'evil.example' } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(421);
  });

  it('fifty open pages cost as many calls as the samples that they see, and not fifty times as many', async () => {
    const sentOnce = console.countCalls();
    await askCounts(console.world.clients);
    const perSample = sentOnce();
    const open = await Promise.all(Array.from({ length: 50 }, () => console.get('/live/overview')));
    const sent = console.countCalls();
    const samples = new Set(await Promise.all(open.map(firstData))).size;
    // One may be under way when counting begins, and one when it ends.
    expect(sent()).toBeLessThanOrEqual((samples + 2) * perSample);
    expect(samples).toBeLessThan(10);
    // What docs/console.md says of an idle queue.
    expect(perSample).toBeLessThanOrEqual(40);
  });
});

/** The first part that a stream brings; then it is closed. */
async function firstData(response: Response): Promise<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const part = await reader?.read();
    if (part === undefined || part.done) throw new Error(`the stream ended: ${text}`);
    text += part.value;
    const data = /^data: (.*)$/m.exec(text)?.[1];
    if (data === undefined || !text.endsWith('\n\n')) continue;
    await reader?.cancel();
    return data;
  }
}

it('the overview links to the long history, without the user of its URL', async () => {
  const other = await ConsoleWorld.open('console-prometheus', {
    env: { S3COMPACT_CONSOLE_PROMETHEUS: 'https://user:secret@prometheus.example/graph' },
  });
  try {
    const text = await other.text('/');
    expect(text).toContain('<a href="https://prometheus.example/graph">Prometheus</a>');
    expect(text).not.toContain('secret');
  } finally {
    await other.close();
  }
});

describe('where it listens', () => {
  it.each(['127.0.0.1:9401', '127.1.2.3:0', '[::1]:1', 'localhost:65535'])('%s: this machine', (text) => {
    expect(listenAddress(text, false).port).toBeLessThan(65_536);
  });

  it.each(['0.0.0.0:9401', '[::]:9401', '10.0.0.1:9401', 'example.org:80', '127.0.0.1.example:80', '127.0.0.1:70000'])(
    '%s: refused, with a reason',
    (text) => {
      expect(() => listenAddress(text, false)).toThrow(/^--listen /);
    },
  );

  it('names of this machine, with and without a port', () => {
    for (const host of ['127.0.0.1:9401', 'localhost', '[::1]:9401', '127.0.0.1'])
      expect(isLoopbackHost(host)).toBe(true);
    for (const host of ['', 'evil.example', 'localhost.evil.example:9401', '10.0.0.1'])
      expect(isLoopbackHost(host)).toBe(false);
  });
});
