/**
 * The S3 adapter against answers that no healthy server gives: silence, cut bodies, wrong ranges, missing operations.
 * A server of the test's own on loopback gives them. After every test no socket may be left, nor an unhandled rejection
 * (vitest fails the run on one).
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ObjectStore } from '../../src/objects/port.ts';
import { S3ObjectStores, type S3Settings } from '../../src/objects/s3.ts';
import { expectBytes, expectFailure, patternBytes } from './contract.ts';
import {
  askedRange,
  type FaultServer,
  type SeenRequest,
  sendError,
  sendRange,
  startFaultServer,
} from './fault-server.ts';

const ACCESS_KEY = 'AKIATESTACCESSKEY';
const SECRET = 'test-secret-never-printed';

let server: FaultServer;
let opened: S3ObjectStores[];
let logged: string[];

beforeEach(async () => {
  server = await startFaultServer();
  opened = [];
  logged = [];
});

afterEach(async () => {
  for (const stores of opened) stores.close();
  await vi.waitFor(() => expect(server.openSockets()).toBe(0), { timeout: 5_000, interval: 5 });
  await server.close();
});

function open(settings: S3Settings = {}): ObjectStore {
  const stores = new S3ObjectStores({
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET },
    log: (message) => logged.push(message),
    ...settings,
  });
  opened.push(stores);
  return stores.forFilesystem(filesystem);
}

function firstSeen(): SeenRequest {
  const [request] = server.seen;
  if (request === undefined) throw new Error('the server saw no request');
  return request;
}

const filesystem = {
  fsId: 2,
  uuid: 'f6d0',
  name: 'test',
  bucket: 'bkt',
  blockSize: 16,
  chunkSize: 64,
  objectPrefix: 0,
} as const;

describe('reads', () => {
  test('the request is a plain range of the object in path style', async () => {
    server.answer((request, response) => sendRange(request, response, patternBytes(100)));
    const target = new Uint8Array(10);
    await open().getRange('2/1/0/2_1_3_0_0', 90, target);
    expectBytes(target, patternBytes(100).subarray(90));
    expect(server.seen).toHaveLength(1);
    expect(server.seen[0]).toMatchObject({ method: 'GET', headers: { range: 'bytes=90-99' } });
    expect(server.seen[0]?.url).toMatch(/^\/bkt\/2\/1\/0\/2_1_3_0_0(\?|$)/);
  });

  test('a body that is cut half-way is store-unavailable', async () => {
    server.answer((request, response) => {
      const [begin, end] = askedRange(request);
      const length = end - begin + 1;
      response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*`, 'content-length': length });
      response.write(patternBytes(length / 2), () => response.destroy());
    });
    await expectFailure(open().getRange('cut', 0, new Uint8Array(100_000)), 'retry', 'store-unavailable');
  });

  test('a body without a length that ends early is store-unavailable', async () => {
    server.answer((request, response) => {
      const [begin, end] = askedRange(request);
      response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*` }).end('too short');
    });
    await expectFailure(open().getRange('early', 0, new Uint8Array(100)), 'retry', 'store-unavailable');
  });

  test('a body longer than its range is refused and the target is not overrun', async () => {
    server.answer((request, response) => {
      const [begin, end] = askedRange(request);
      response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*` }).end(patternBytes(200));
    });
    const memory = new Uint8Array(110);
    await expectFailure(open().getRange('long', 0, memory.subarray(0, 100)), 'halt', 'store-refused');
    expect([...memory.subarray(100)]).toEqual(Array(10).fill(0));
  });

  test.each([
    ['the whole object with 200', 200, undefined],
    ['a shifted range', 206, 'bytes 1-10/100'],
    ['a longer range', 206, 'bytes 0-10/100'],
    ['no valid Content-Range', 206, 'bytes */100'],
  ])('%s in place of the range is store-refused', async (_name, status, contentRange) => {
    server.answer((_request, response) => {
      response.writeHead(status, contentRange === undefined ? {} : { 'content-range': contentRange });
      response.end(patternBytes(100));
    });
    const failure = await expectFailure(open().getRange('other', 0, new Uint8Array(10)), 'halt', 'store-refused');
    expect(failure.message).toMatch(/another range|ignored the Range/);
  });

  test('200 with just the asked bytes is accepted, as the range was the whole object', async () => {
    server.answer((_request, response) => response.writeHead(200, { 'content-length': 10 }).end(patternBytes(10)));
    const target = new Uint8Array(10);
    await open().getRange('whole', 0, target);
    expectBytes(target, patternBytes(10));
  });

  test('206 with fewer bytes than asked is object-short', async () => {
    server.answer((_request, response) =>
      response.writeHead(206, { 'content-range': 'bytes 0-4/5', 'content-length': 5 }).end('12345'),
    );
    const failure = await expectFailure(open().getRange('short', 0, new Uint8Array(10)), 'retry', 'object-short');
    expect(failure.message).toContain('only 5');
  });

  test('404 without an S3 code is not taken for a missing object', async () => {
    server.answer((_request, response) => response.writeHead(404).end('<html>no such page</html>'));
    await expectFailure(open().getRange('page', 0, new Uint8Array(1)), 'halt', 'store-refused');
    await expectFailure(open().head('page'), 'halt', 'store-refused');
  });
});

describe('time-outs and cancellation', () => {
  test('a server that accepts and never answers ends every operation within the time-out', async () => {
    server.answer(() => {});
    const store = open({ requestTimeoutMs: 100 });
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
    server.answer((request, response) => {
      const [begin, end] = askedRange(request);
      response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*`, 'content-length': end - begin + 1 });
      response.write('some');
    });
    const store = open({ requestTimeoutMs: 100 });
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
    const store = open({ endpoint: `http://127.0.0.1:${port}` });
    await expectFailure(store.head('x'), 'retry', 'store-unavailable');
    await new Promise<void>((resolve) => garbler.close(() => resolve()));
    await expectFailure(store.head('x'), 'retry', 'store-unavailable');
    const lost = open({ endpoint: 'http://no-such-host.invalid' });
    const failure = await expectFailure(lost.head('x'), 'retry', 'store-unavailable');
    expect(failure.message).toContain('no-such-host.invalid');
  });

  test('an abort in the middle of a body cancels at once and leaves the target alone from then on', async () => {
    const controller = new AbortController();
    server.answer((request, response) => {
      const [begin, end] = askedRange(request);
      response.writeHead(206, { 'content-range': `bytes ${begin}-${end}/*`, 'content-length': end - begin + 1 });
      response.write('some', () => controller.abort());
    });
    const target = new Uint8Array(100);
    await expectFailure(open().getRange('aborted', 0, target, controller.signal), 'retry', 'cancelled');
    target.fill(7);
    await vi.waitFor(() => expect(server.openSockets()).toBe(0), { timeout: 5_000, interval: 5 });
    expect([...target]).toEqual(Array(100).fill(7));
  });

  test('an abort in the middle of a put cancels at once', async () => {
    const controller = new AbortController();
    server.answer(() => controller.abort());
    const call = open().putIfAbsent('aborted', patternBytes(100), controller.signal);
    await expectFailure(call, 'retry', 'cancelled');
  });

  test('a call that waits for a socket is let go when its signal aborts, and its time-out has not begun', async () => {
    const answers: (() => void)[] = [];
    server.answer((request, response) => {
      answers.push(() => sendRange(request, response, patternBytes(10)));
    });
    const store = open({ maxSockets: 1 });
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
    expect(server.seen.map((request) => request.url.split('?')[0])).toEqual(['/bkt/first', '/bkt/third']);
  });

  test('closing ends calls in flight; later ones are cancelled', async () => {
    server.answer(() => opened.at(-1)?.close());
    const store = open();
    await expectFailure(store.head('x'), 'retry', 'store-unavailable');
    await expectFailure(store.head('x'), 'retry', 'cancelled');
  });
});

describe('writes', () => {
  test('a put is one request with a length, a CRC32, our metadata, the condition, and no hash of the body', async () => {
    server.answer((_request, response) => response.writeHead(200, { etag: '"x"' }).end());
    const body = patternBytes(3_000_000);
    await expect(open().putIfAbsent('fresh', body)).resolves.toBe('created');
    expect(server.seen).toHaveLength(1);
    const { headers, body: sent } = firstSeen();
    expectBytes(sent, body);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(body));
    expect(headers).toMatchObject({
      'content-length': '3000000',
      'if-none-match': '*',
      'x-amz-checksum-crc32': checksum.toString('base64'),
      'x-amz-meta-s3compact-crc32': crc32(body).toString(16).padStart(8, '0'),
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    });
    expect(headers['expect']).toBeUndefined();
    expect(headers['transfer-encoding']).toBeUndefined();
    // The CRC32 stands in for the hash of the body, so the signature must cover it.
    expect(headers.authorization).toMatch(/SignedHeaders=[^,]*if-none-match[^,]*x-amz-checksum-crc32/);
  });

  test('412 is exists', async () => {
    server.answer((_request, response) => sendError(response, 412, 'PreconditionFailed'));
    await expect(open().putIfAbsent('taken', patternBytes(1))).resolves.toBe('exists');
  });

  test('409 ConditionalRequestConflict is to be repeated', async () => {
    server.answer((_request, response) => sendError(response, 409, 'ConditionalRequestConflict'));
    await expectFailure(open().putIfAbsent('raced', patternBytes(1)), 'retry', 'store-unavailable');
  });

  test('a server without If-None-Match gets puts without it, is remembered, and is told of once', async () => {
    server.answer((request, response) => {
      if (request.headers['if-none-match'] !== undefined) return sendError(response, 501, 'NotImplemented');
      response.writeHead(200).end();
    });
    const store = open();
    for (const name of ['a', 'b', 'c']) await expect(store.putIfAbsent(name, patternBytes(1))).resolves.toBe('created');
    expect(server.seen.map((request) => request.headers['if-none-match'])).toEqual([
      '*',
      undefined,
      undefined,
      undefined,
    ]);
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('If-None-Match');
  });
});

describe('deletes', () => {
  const DELETED = '<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></DeleteResult>';

  test('a batch is one quiet request with Content-MD5 and CRC32', async () => {
    server.answer((_request, response) => response.writeHead(200).end(DELETED));
    await expect(open().delete(['a', 'b/c'])).resolves.toEqual([]);
    expect(server.seen).toHaveLength(1);
    const { headers, body, url } = firstSeen();
    expect(url).toMatch(/[?&]delete/);
    expect(body.toString()).toMatch(/<Key>a<\/Key>.*<Key>b\/c<\/Key>/);
    expect(body.toString()).toContain('<Quiet>true</Quiet>');
    expect(headers['content-md5']).toBe(createHash('md5').update(body).digest('base64'));
    expect(headers['x-amz-checksum-crc32']).toBeDefined();
  });

  test('failures of single names are returned, but for missing ones', async () => {
    const failures =
      '<Error><Key>a</Key><Code>AccessDenied</Code></Error><Error><Key>b</Key><Code>NoSuchKey</Code></Error>';
    server.answer((_request, response) =>
      response.writeHead(200).end(DELETED.replace('</DeleteResult>', `${failures}</DeleteResult>`)),
    );
    await expect(open().delete(['a', 'b', 'c'])).resolves.toEqual([{ name: 'a', code: 'AccessDenied' }]);
  });

  test('an answer that is no XML is not taken for a success', async () => {
    server.answer((_request, response) => response.writeHead(200).end('<html><body>welcome to the proxy'));
    await expectFailure(open().delete(['a']), 'retry', 'store-unavailable');
  });

  test.each([
    [501, 'NotImplemented'],
    [405, 'MethodNotAllowed'],
    [400, 'MalformedXML'],
    [400, 'MissingContentMD5'],
  ])(
    'a server that answers a batch with %i %s gets single deletes, few at a time, and is remembered',
    async (status, code) => {
      let inFlight = 0;
      let inFlightMax = 0;
      server.answer((request, response) => {
        if (request.method === 'POST') return sendError(response, status, code);
        inFlight++;
        inFlightMax = Math.max(inFlightMax, inFlight);
        setImmediate(() => {
          inFlight--;
          if (request.url.startsWith('/bkt/gone')) sendError(response, 404, 'NoSuchKey');
          else if (request.url.startsWith('/bkt/kept')) sendError(response, 403, 'AccessDenied');
          else response.writeHead(204).end();
        });
      });
      const store = open();
      const names = ['gone', 'kept', ...Array.from({ length: 98 }, (_, i) => `n${i}`)];
      await expect(store.delete(names)).resolves.toEqual([{ name: 'kept', code: 'AccessDenied' }]);
      await expect(store.delete(['more'])).resolves.toEqual([]);
      expect(server.seen.filter((request) => request.method === 'POST')).toHaveLength(1);
      expect(server.seen.filter((request) => request.method === 'DELETE')).toHaveLength(101);
      expect(inFlightMax).toBeLessThanOrEqual(16);
      expect(logged).toHaveLength(1);
    },
  );

  test('a store that breaks down among single deletes ends them all', async () => {
    server.answer((request, response) => {
      if (request.method === 'POST') return sendError(response, 501, 'NotImplemented');
      sendError(response, 503, 'SlowDown');
    });
    const names = Array.from({ length: 200 }, (_, i) => `n${i}`);
    await expectFailure(open().delete(names), 'retry', 'store-unavailable');
    expect(server.seen.length).toBeLessThan(50);
  });
});

describe('refusals', () => {
  test.each([
    [500, 'InternalError', 'retry', 'store-unavailable'],
    [503, 'SlowDown', 'retry', 'store-unavailable'],
    [429, 'TooManyRequests', 'retry', 'store-unavailable'],
    [400, 'RequestTimeout', 'retry', 'store-unavailable'],
    [403, 'AccessDenied', 'halt', 'access-denied'],
    [403, 'InvalidAccessKeyId', 'halt', 'access-denied'],
    [403, 'SignatureDoesNotMatch', 'halt', 'access-denied'],
    [400, 'ExpiredToken', 'halt', 'access-denied'],
    [404, 'NoSuchBucket', 'halt', 'bucket-missing'],
    [403, 'QuotaExceeded', 'halt', 'store-refused'],
    [301, 'PermanentRedirect', 'halt', 'store-refused'],
    [400, 'InvalidArgument', 'halt', 'store-refused'],
    [400, 'constructor', 'halt', 'store-refused'],
  ] as const)('%i %s is %s, %s', async (status, code, kind, expected) => {
    server.answer((_request, response) => sendError(response, status, code));
    const failure = await expectFailure(open().putIfAbsent('refused', patternBytes(1)), kind, expected);
    expect(failure.message).toMatch(
      /^Writing object "refused" \(1 bytes\) in bucket "bkt" at 127\.0\.0\.1:\d+ failed: .*\.$/,
    );
    expect(failure.cause).toBeInstanceOf(Error);
    expect(server.seen).toHaveLength(1);
  });

  test('neither message nor cause of a refusal holds a key, a secret or a signature', async () => {
    const text = `<Error><Code>SignatureDoesNotMatch</Code><Message>key ${ACCESS_KEY} is wrong</Message><AWSAccessKeyId>${ACCESS_KEY}</AWSAccessKeyId></Error>`;
    server.answer((_request, response) => response.writeHead(403).end(text));
    const failure = await expectFailure(open().head('x'), 'halt', 'access-denied');
    const getFailure = await expectFailure(open().getRange('x', 0, new Uint8Array(1)), 'halt', 'access-denied');
    for (const { message, stack, cause } of [failure, getFailure]) {
      const told = `${message} ${stack} ${String(cause)} ${JSON.stringify(cause)} ${cause instanceof Error ? cause.stack : ''}`;
      for (const secret of [ACCESS_KEY, SECRET, 'Signature=']) expect(told).not.toContain(secret);
    }
  });

  test('a clock that is wrong is corrected by the refusal: the next try is signed with the time of the server', async () => {
    const serverDate = new Date(Date.now() + 3_600_000);
    server.answer((_request, response, index) => {
      response.setHeader('date', serverDate.toUTCString());
      if (index === 0) return sendError(response, 403, 'RequestTimeTooSkewed');
      response.writeHead(200).end();
    });
    const store = open();
    await expectFailure(store.putIfAbsent('x', patternBytes(1)), 'retry', 'store-unavailable');
    await expect(store.putIfAbsent('x', patternBytes(1))).resolves.toBe('created');
    const hour = serverDate.toISOString().slice(0, 13).replace(/-/g, '');
    expect(server.seen[1]?.headers['x-amz-date']).toMatch(new RegExp(`^${hour}`));
  });

  test('settings that are no URL are refused at once', () => {
    expect(() => new S3ObjectStores({ endpoint: '127.0.0.1:9000' })).toThrow(/not an http/);
    const stores = new S3ObjectStores();
    expect(() => stores.forFilesystem({ ...filesystem, endpoint: 'ftp://user:pw@host' })).toThrow(
      /file system 2 is not/,
    );
  });

  test('stores are shared by bucket; endpoint and region of the file system win', async () => {
    const other = await startFaultServer();
    other.answer((_request, response) => response.writeHead(200, { 'content-length': 4 }).end());
    server.answer((_request, response) => response.writeHead(200, { 'content-length': 3 }).end());
    const stores = new S3ObjectStores({
      endpoint: server.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET },
    });
    opened.push(stores);
    const own = stores.forFilesystem({ ...filesystem, endpoint: other.endpoint, region: 'eu-west-3' });
    expect(stores.forFilesystem({ ...filesystem, fsId: 3 })).toBe(stores.forFilesystem(filesystem));
    expect(own).not.toBe(stores.forFilesystem(filesystem));
    await expect(own.head('x')).resolves.toEqual({ bytes: 4 });
    await expect(stores.forFilesystem(filesystem).head('x')).resolves.toEqual({ bytes: 3 });
    expect(other.seen[0]?.headers.authorization).toContain('/eu-west-3/s3/');
    await other.close();
  });
});
