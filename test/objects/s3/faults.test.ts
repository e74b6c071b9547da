/**
 * The S3 adapter's reads against answers that no healthy server gives (cut bodies, wrong ranges), and the end of calls
 * that would not end by themselves (silence, cancellation). After every test no socket may be left.
 */
import { createServer } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { expectBytes, expectFailure, patternBytes } from '../contract.ts';
import { BUCKET, DATA_PATHS, useFaultBench } from '../fault-bench.ts';
import { askedRange, sendRange } from '../fault-server.ts';
import { filesystemOn } from './bench.ts';

describe.each(DATA_PATHS)('by the %s way', (dataPath) => {
  const bench = useFaultBench({ dataPath });

  describe('reads', () => {
    test('the request is a plain range of the object in path style', async () => {
      bench().server.answer((request, response) => sendRange(request, response, patternBytes(100)));
      const target = new Uint8Array(10);
      await bench().open().getRange('2/1/0/2_1_3_0_0', 90, target);
      expectBytes(target, patternBytes(100).subarray(90));
      expect(bench().server.seen).toHaveLength(1);
      expect(bench().server.seen[0]).toMatchObject({ method: 'GET', headers: { range: 'bytes=90-99' } });
      expect(bench().server.seen[0]?.url).toMatch(/^\/bkt\/2\/1\/0\/2_1_3_0_0(\?|$)/);
    });

    test('a body that is cut half-way is store-unavailable', async () => {
      bench().server.answer((request, response) => {
        const [begin, end] = askedRange(request);
        const length = end - begin + 1;
        response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*`, 'content-length': length });
        response.write(patternBytes(length / 2), () => response.destroy());
      });
      await expectFailure(bench().open().getRange('cut', 0, new Uint8Array(100_000)), 'retry', 'store-unavailable');
    });

    test('a body without a length that ends early is store-unavailable', async () => {
      bench().server.answer((request, response) => {
        const [begin, end] = askedRange(request);
        response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*` }).end('too short');
      });
      await expectFailure(bench().open().getRange('early', 0, new Uint8Array(100)), 'retry', 'store-unavailable');
    });

    test('a body longer than its range is refused and the target is not overrun', async () => {
      bench().server.answer((request, response) => {
        const [begin, end] = askedRange(request);
        response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*` }).end(patternBytes(200));
      });
      const memory = new Uint8Array(110);
      const call = bench().open().getRange('long', 0, memory.subarray(0, 100));
      const failure = await expectFailure(call, 'halt', 'store-refused');
      expect(failure.message).toContain('more bytes');
      expect([...memory.subarray(100)]).toEqual(Array(10).fill(0));
    });

    test.each([
      ['the whole object with 200', 200, undefined],
      ['a shifted range', 206, 'bytes 1-10/100'],
      ['a longer range', 206, 'bytes 0-10/100'],
      ['no valid Content-Range', 206, 'bytes */100'],
    ])('%s in place of the range is store-refused', async (_name, status, contentRange) => {
      bench().server.answer((_request, response) => {
        response.writeHead(status, {
          etag: '"x"',
          ...(contentRange === undefined ? {} : { 'content-range': contentRange }),
        });
        response.end(patternBytes(100));
      });
      const failure = await expectFailure(
        bench().open().getRange('other', 0, new Uint8Array(10)),
        'halt',
        'store-refused',
      );
      expect(failure.message).toMatch(/another range|ignored the Range/);
    });

    test('200 with just the asked bytes is accepted, as the range was the whole object', async () => {
      bench().server.answer((_request, response) =>
        response.writeHead(200, { 'content-length': 10, etag: '"x"' }).end(patternBytes(10)),
      );
      const target = new Uint8Array(10);
      await bench().open().getRange('whole', 0, target);
      expectBytes(target, patternBytes(10));
    });

    test('200 with as many bytes as asked is refused where the range was not the beginning', async () => {
      bench().server.answer((_request, response) =>
        response.writeHead(200, { 'content-length': 10, etag: '"x"' }).end(patternBytes(10)),
      );
      await expectFailure(bench().open().getRange('whole', 4, new Uint8Array(10)), 'halt', 'store-refused');
    });

    test('206 with fewer bytes than asked is object-short', async () => {
      bench().server.answer((_request, response) =>
        response.writeHead(206, { 'content-range': 'bytes 0-4/5', 'content-length': 5 }).end('12345'),
      );
      const failure = await expectFailure(
        bench().open().getRange('short', 0, new Uint8Array(10)),
        'retry',
        'object-short',
      );
      expect(failure.message).toContain('only 5');
    });

    test('404 without an S3 code is not taken for a missing object', async () => {
      bench().server.answer((_request, response) => response.writeHead(404).end('<html>no such page</html>'));
      await expectFailure(bench().open().getRange('page', 0, new Uint8Array(1)), 'halt', 'store-refused');
      await expectFailure(bench().open().head('page'), 'halt', 'store-refused');
    });
  });

  describe('time-outs and cancellation', () => {
    test('a server that accepts and never answers ends every operation within the time-out', async () => {
      bench().server.answer(() => {});
      const store = bench().open({ requestTimeoutMs: 100 });
      const calls: readonly Promise<unknown>[] = [
        store.getRange('silent', 0, new Uint8Array(1)),
        store.putIfAbsent('silent', patternBytes(3_000_000)),
        store.head('silent'),
        store.delete(['silent']),
      ];
      const failures = await Promise.all(calls.map((call) => expectFailure(call, 'retry', 'store-unavailable')));
      for (const failure of failures) expect(failure.message).toContain('100 ms');
    });

    test('a body that stops coming ends within the time-out', async () => {
      bench().server.answer((request, response) => {
        const [begin, end] = askedRange(request);
        response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*`, 'content-length': end - begin + 1 });
        response.write('some');
      });
      const store = bench().open({ requestTimeoutMs: 100 });
      await expectFailure(store.getRange('stalled', 0, new Uint8Array(100)), 'retry', 'store-unavailable');
    });

    test('a server that speaks no HTTP, and one that is not there, are store-unavailable', async () => {
      const garbler = createServer((socket) =>
        socket
          .on('error', () => {})
          .resume()
          .end('SSH-2.0-OpenSSH_9.2\r\n'),
      );
      await new Promise<void>((resolve) => garbler.listen(0, '127.0.0.1', resolve));
      const address = garbler.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const store = bench().open({ endpoint: `http://127.0.0.1:${port}` });
      await expectFailure(store.head('x'), 'retry', 'store-unavailable');
      await expectFailure(store.getRange('x', 0, new Uint8Array(1)), 'retry', 'store-unavailable');
      await new Promise<void>((resolve) => garbler.close(() => resolve()));
      await expectFailure(store.head('x'), 'retry', 'store-unavailable');
      const lost = bench().open({ endpoint: 'http://no-such-host.invalid' });
      const failure = await expectFailure(lost.head('x'), 'retry', 'store-unavailable');
      expect(failure.message).toContain('no-such-host.invalid');
    });

    test('an abort in the middle of a body cancels at once and leaves the target alone from then on', async () => {
      const controller = new AbortController();
      bench().server.answer((request, response) => {
        const [begin, end] = askedRange(request);
        response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*`, 'content-length': end - begin + 1 });
        response.write('some', () => controller.abort());
      });
      const target = new Uint8Array(100);
      await expectFailure(bench().open().getRange('aborted', 0, target, controller.signal), 'retry', 'cancelled');
      target.fill(7);
      await vi.waitFor(() => expect(bench().server.openSockets()).toBe(0), { timeout: 600_000, interval: 5 });
      expect([...target]).toEqual(Array(100).fill(7));
    });

    test('an abort in the middle of a put cancels at once', async () => {
      const controller = new AbortController();
      bench().server.answer(() => controller.abort());
      const call = bench().open().putIfAbsent('aborted', patternBytes(100), controller.signal);
      await expectFailure(call, 'retry', 'cancelled');
    });

    test('a call that waits for a socket is let go when its signal aborts, and its time-out has not begun', async () => {
      const answers: (() => void)[] = [];
      bench().server.answer((request, response) => {
        answers.push(() => sendRange(request, response, patternBytes(10)));
      });
      const store = bench().open({ maxSockets: 1 });
      const controller = new AbortController();
      const first = store.getRange('first', 0, new Uint8Array(10));
      const second = store.getRange('second', 0, new Uint8Array(10), controller.signal);
      const third = store.getRange('third', 0, new Uint8Array(10));
      await vi.waitFor(() => expect(answers).toHaveLength(1));
      controller.abort();
      await expectFailure(second, 'retry', 'cancelled');
      answers.shift()?.();
      await first;
      await vi.waitFor(() => expect(answers).toHaveLength(1));
      answers.shift()?.();
      await third;
      expect(bench().server.seen.map((request) => request.url.split('?')[0])).toEqual(['/bkt/first', '/bkt/third']);
    });

    test('an idle socket is closed before the server would close it, so that no request meets its end', async () => {
      const { server } = bench();
      server.answer((request, response) => {
        response.setHeader('keep-alive', 'timeout=2');
        sendRange(request, response, patternBytes(1));
      });
      await bench().open().getRange('x', 0, new Uint8Array(1));
      expect(server.openSockets()).toBe(1);
      // The server of this test closes nothing by itself for 5 s.
      await vi.waitFor(() => expect(server.openSockets()).toBe(0), { timeout: 600_000, interval: 20 });
    });

    test('closing ends calls in flight; later ones are cancelled', async () => {
      const stores = bench().openStores();
      bench().server.answer(() => stores.close());
      const store = stores.forFilesystem(filesystemOn(BUCKET));
      await expectFailure(store.head('x'), 'retry', 'store-unavailable');
      await expectFailure(store.head('x'), 'retry', 'cancelled');
    });
  });
});
