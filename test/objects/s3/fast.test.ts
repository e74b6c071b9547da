/**
 * What only the way past the SDK does: how it finds a bucket, which credentials it signs with, what it leaves to the SDK,
 * and bytes on the wire that no HTTP library would hide. What both ways do is in the contract and in the fault tests.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { S3Client } from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { bucketAddress } from '../../../src/objects/s3/fast-address.ts';
import { refusedAnswer } from '../../../src/objects/s3/fast-refusal.ts';
import { expectBytes, expectFailure, failureOf, patternBytes } from '../contract.ts';
import { ACCESS_KEY, SECRET, useFaultBench } from '../fault-bench.ts';
import { sendDeleted, sendError, sendStored } from '../fault-server.ts';
import { Sha256 } from '../sha256.ts';

const bench = useFaultBench();

describe('where a bucket is', () => {
  const credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET };
  const of = async (settings: Record<string, unknown>, bucket: string) => {
    const sdk = new S3Client({ region: 'eu-west-1', credentials, ...settings });
    try {
      return await bucketAddress(sdk, bucket);
    } finally {
      sdk.destroy();
    }
  };

  test.each([
    [
      { endpoint: 'http://gw:7480', forcePathStyle: true },
      'bkt',
      { origin: 'http://gw:7480', host: 'gw:7480', prefix: '/bkt/', region: 'eu-west-1' },
    ],
    [
      { endpoint: 'https://gw/s3', forcePathStyle: true },
      'a.b',
      { origin: 'https://gw', host: 'gw', prefix: '/s3/a.b/', region: 'eu-west-1' },
    ],
    [
      { endpoint: 'https://gw', forcePathStyle: false },
      'bkt',
      { origin: 'https://bkt.gw', host: 'bkt.gw', prefix: '/', region: 'eu-west-1' },
    ],
    [
      {},
      'bkt',
      {
        origin: 'https://bkt.s3.eu-west-1.amazonaws.com',
        host: 'bkt.s3.eu-west-1.amazonaws.com',
        prefix: '/',
        region: 'eu-west-1',
      },
    ],
    [
      {},
      'arn:aws:s3:us-west-2:123456789012:accesspoint/ap',
      {
        origin: 'https://ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com',
        host: 'ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com',
        prefix: '/',
        region: 'us-west-2',
      },
    ],
  ])('%o, %s', async (settings, bucket, expected) => {
    expect(await of(settings, bucket)).toEqual({ ...expected, service: 's3' });
  });

  test('a request that the SDK sends with more than a plain signature is left to the SDK', async () => {
    const sdk = new S3Client({ region: 'eu-west-1', credentials, endpoint: 'http://gw', forcePathStyle: true });
    sdk.middlewareStack.add(
      (next) => (args) => {
        (args.request as { headers: Record<string, string> }).headers['x-amz-s3session-token'] = 'session';
        return next(args);
      },
      { step: 'build', name: 'session' },
    );
    expect(await bucketAddress(sdk, 'bkt')).toBeNull();
    sdk.destroy();
  });
});

describe('who signs', () => {
  test('a session token is sent and signed, beside headers that sort around it', async () => {
    bench().server.answer((request, response) =>
      request.method === 'PUT' ? sendStored(response) : sendDeleted(request, response),
    );
    const store = bench().open({ credentials: { accessKeyId: 'A', secretAccessKey: 'S', sessionToken: 'to/ken==' } });
    await store.putIfAbsent('x', patternBytes(3));
    await store.delete(['x']);
    for (const { method, url, headers } of bench().server.seen) {
      expect(headers['x-amz-security-token']).toBe('to/ken==');
      const [, signed = ''] = /SignedHeaders=([^,]*)/.exec(String(headers.authorization)) ?? [];
      const own = Object.fromEntries(signed.split(';').map((name) => [name, String(headers[name])]));
      const { 'x-amz-date': date = '', 'x-amz-security-token': _, ...rest } = own;
      const oracle = new SignatureV4({
        service: 's3',
        region: 'us-east-1',
        credentials: { accessKeyId: 'A', secretAccessKey: 'S', sessionToken: 'to/ken==' },
        sha256: Sha256,
        uriEscapePath: false,
        applyChecksum: false,
      });
      const [path = '', query] = url.split('?');
      const iso = date.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5');
      const theirs = await oracle.sign(
        {
          method,
          protocol: 'http:',
          hostname: 'h',
          path,
          query: query === undefined ? {} : { delete: '' },
          headers: rest,
        },
        { signingDate: new Date(iso) },
      );
      expect(headers.authorization).toBe(theirs.headers['authorization']);
    }
    expect(bench().server.seen).toHaveLength(2);
  });
});

describe('what servers say', () => {
  test('a refusal that tells the region of the bucket passes it on, and nothing else', async () => {
    bench().server.answer((request, response) => {
      response.setHeader('x-amz-bucket-region', request.url.includes('evil') ? 'a b<c>' : 'eu-central-1');
      sendError(response, 301, 'PermanentRedirect');
    });
    const failure = await expectFailure(bench().open().getRange('x', 0, new Uint8Array(1)), 'halt', 'store-refused');
    expect(failure.message).toContain(
      'answered 301 PermanentRedirect ("told by the test"); the bucket is in region "eu-central-1".',
    );
    const evil = await failureOf(bench().open().getRange('evil', 0, new Uint8Array(1)));
    expect(evil.message).not.toContain('a b');
    expect(bench().server.seen).toHaveLength(2);
  });

  test('a long answer to a batch is read whole', async () => {
    const names = Array.from({ length: 1_000 }, (_, n) => `name-${n}`);
    const errors = names.map(
      (name) => `<Error><Key>${name}</Key><Code>AccessDenied</Code><Message>${'no '.repeat(300)}</Message></Error>`,
    );
    bench().server.answer((_request, response) =>
      response.writeHead(200).end(`<DeleteResult>${errors.join('')}</DeleteResult>`),
    );
    await expect(bench().open().delete(names)).resolves.toEqual(names.map((name) => ({ name, code: 'AccessDenied' })));
  });

  test('names that XML cannot hold go another way', async () => {
    bench().server.answer((request, response) => {
      if (request.method === 'POST') return sendError(response, 400, 'MalformedXML');
      response.writeHead(204).end();
    });
    await expect(bench().open().delete(['a\u0001b'])).resolves.toEqual([]);
    expect(bench().server.seen.at(-1)).toMatchObject({ method: 'DELETE', url: expect.stringMatching(/^\/bkt\/a%01b/) });
  });
});

describe('an error document', () => {
  test('no bytes make the reading of a refusal fail, and none that are no error document give it a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const refusal = refusedAnswer({ status: 503, headers: {}, body: Buffer.from(bytes) });
        expect(refusal.$metadata.httpStatusCode).toBe(503);
      }),
    );
    for (const text of ['', '<html>', '<Error/>', '<Error><Code></Code></Error>', '{"Error":{"Code":"NoSuchKey"}}']) {
      expect(refusedAnswer({ status: 404, headers: {}, body: Buffer.from(text) }).name).toBe('Unknown');
    }
  });
});

describe('bytes on the wire', () => {
  let server: Server | undefined;
  const sockets = new Set<Socket>();
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    if (server !== undefined) {
      server.close();
      await once(server, 'close');
    }
    server = undefined;
  });

  /** A server that writes these bytes in answer to each request, and what it does then. */
  async function raw(
    bytes: (index: number) => string,
    then: (socket: Socket) => void = () => undefined,
  ): Promise<string> {
    let index = 0;
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', () => {
        socket.write(bytes(index++), 'latin1');
        then(socket);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  }

  const head = 'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/4\r\n';

  test('informational answers before the real one are no answer', async () => {
    const endpoint = await raw(() => `HTTP/1.1 102 Processing\r\n\r\n${head}Content-Length: 4\r\n\r\nabcd`);
    const target = new Uint8Array(4);
    await bench().open({ endpoint }).getRange('x', 0, target);
    expectBytes(target, Buffer.from('abcd'));
  });

  test('a length that is shorter than the range is refused; bytes behind it are not taken', async () => {
    const endpoint = await raw(() => `${head}Content-Length: 2\r\n\r\nabcd`);
    const memory = new Uint8Array(8);
    await failureOf(bench().open({ endpoint }).getRange('x', 0, memory.subarray(0, 4)));
    expect([...memory.subarray(4)]).toEqual([0, 0, 0, 0]);
  });

  test('bytes behind an answer are not the next answer', async () => {
    const endpoint = await raw((index) => `${head}Content-Length: 4\r\n\r\n${index === 0 ? 'abcdEVIL' : 'good'}`);
    const store = bench().open({ endpoint, maxSockets: 1 });
    await store.getRange('x', 0, new Uint8Array(4)).catch(() => undefined);
    const target = new Uint8Array(4);
    await store.getRange('x', 0, target).catch(() => undefined);
    await store.getRange('x', 0, target);
    expectBytes(target, Buffer.from('good'));
  });

  test('a connection that ends in the middle of an answer without a length is no whole answer', async () => {
    const endpoint = await raw(
      () => `${head}Connection: close\r\n\r\nab`,
      (socket) => socket.end(),
    );
    await expectFailure(bench().open({ endpoint }).getRange('x', 0, new Uint8Array(4)), 'retry', 'store-unavailable');
  });
});

describe('a HEAD', () => {
  test('keeps its connection, as a GET does', async () => {
    const store = bench().open();
    bench().server.answer((_request, response) => {
      response.writeHead(200, { etag: '"x"', 'content-length': 4 }).end();
    });
    await expect(store.head('x')).resolves.toEqual({ bytes: 4 });
    expect(bench().server.seen.map(({ method, headers }) => [method, headers.connection])).toEqual([
      ['HEAD', 'keep-alive'],
    ]);
  });
});
