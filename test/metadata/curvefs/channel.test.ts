/**
 * The client of baidu_std against servers that behave, that do not, and that are something else. Every failure must say
 * whether the request may have reached the server, and nothing may crash or hang.
 */
import { createServer as createHttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Channel } from '../../../src/metadata/curvefs/channel.ts';
import { mayHaveHappened, RpcFault, type RpcFaultKind } from '../../../src/metadata/curvefs/faults.ts';
import { FrameReader, REQUEST_BYTES_MAX } from '../../../src/metadata/curvefs/frame.ts';
import { GetInodeResponse, getInode, getOrModifyS3ChunkInfo } from '../../../src/metadata/curvefs/proto/metaserver.ts';
import type { Address } from '../../../src/urls/curvefs.ts';
import { fromHex, GOLDEN } from './golden.ts';
import { frame, onRequests, type RawRequest, RawServer, replyFrame } from './rpc-server.ts';

const REQUEST = { poolId: 1, copysetId: 1, partitionId: 1, fsId: 1, inodeId: 100n };
const NOT_FOUND = GetInodeResponse.encode({ statusCode: 'NOT_FOUND' });

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function server(onSocket: Parameters<typeof RawServer.start>[0]): Promise<RawServer> {
  const started = await RawServer.start(onSocket);
  closers.push(() => started.close());
  return started;
}

function channelTo(address: Address, limits?: ConstructorParameters<typeof Channel>[1]): Channel {
  const channel = new Channel(address, limits);
  closers.push(() => channel.close());
  return channel;
}

/** Answers the first request of a connection, and no other. */
function answerFirst(socket: Socket): void {
  let asked = 0;
  onRequests(socket, ({ correlationId }) => {
    if (++asked === 1) socket.write(replyFrame(correlationId, { payload: NOT_FOUND }));
  });
}

async function faultOf(call: Promise<unknown>): Promise<RpcFault> {
  const fault = await call.then(
    () => new Error('the call succeeded'),
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(RpcFault);
  return fault as RpcFault;
}

async function expectFault(call: Promise<unknown>, expected: { kind: RpcFaultKind; sent: boolean; says: RegExp }) {
  const fault = await faultOf(call);
  expect(fault.message).toMatch(expected.says);
  expect({ kind: fault.kind, sent: fault.sent }).toEqual({ kind: expected.kind, sent: expected.sent });
}

describe('calls', () => {
  it('sends what a C++ server takes and reads what a C++ server sends', async () => {
    const [request, response] = GOLDEN;
    const seen: RawRequest[] = [];
    const { address } = await server((socket) =>
      onRequests(socket, (got) => {
        seen.push(got);
        const golden = fromHex(response?.baiduStd.frameHex ?? '');
        // The captured reply answers another call's id: the same bytes with ours.
        const reply = replyFrame(got.correlationId, { payload: fromHex(response?.hex ?? '') });
        expect(Buffer.from(reply.subarray(reply.length - 133))).toEqual(
          Buffer.from(golden.subarray(golden.length - 133)),
        );
        socket.write(reply);
      }),
    );
    const reply = await channelTo(address).call(getInode, { ...REQUEST, supportStreaming: false }, 5_000);
    expect(reply.inode?.s3ChunkInfoMap.get(0n)?.s3Chunks).toHaveLength(3);
    expect(seen[0]?.payload.toString('hex')).toBe(request?.hex);
    // The meta data of brpc's own client, as far as it goes: service and method.
    const names = Buffer.from(fromHex(request?.baiduStd.metaHex ?? '')).subarray(2, 48);
    expect(seen[0]?.meta.subarray(2, 48)).toEqual(names);
  });

  it('reads every captured reply frame', async () => {
    for (const vector of GOLDEN.filter((one) => one.direction !== 'request')) {
      const bytes = fromHex(vector.baiduStd.frameHex);
      for (const piece of [1, 5, 12, 13, bytes.length]) {
        const reader = new FrameReader();
        const replies = [];
        for (let at = 0; at < bytes.length; at += piece) {
          for (const reply of reader.push(bytes.subarray(at, at + piece))) replies.push(reply);
        }
        expect(replies).toHaveLength(1);
        expect(replies[0]?.errorCode).toBe(vector.errorCode ?? 0);
        // brpc's own client puts the code before the server's words.
        expect(vector.errorText ?? '').toContain(replies[0]?.errorText);
        expect(Buffer.from(replies[0]?.payload ?? []).toString('hex')).toBe(vector.baiduStd.payloadHex);
      }
    }
  });

  it('has 64 in flight on one connection and takes the replies in any order', async () => {
    const waiting: { readonly request: RawRequest; readonly answer: () => void }[] = [];
    const raw = await server((socket) =>
      onRequests(socket, (request) => {
        const inodeId = request.payload.subarray(9);
        const payload = Buffer.concat([Buffer.from([0x08, 0x00, 0x18]), inodeId]);
        waiting.push({ request, answer: () => socket.write(replyFrame(request.correlationId, { payload })) });
        if (waiting.length < 64) return;
        for (const { answer } of waiting.splice(0).reverse()) answer();
      }),
    );
    const channel = channelTo(raw.address);
    const ids = Array.from({ length: 640 }, (_, n) => BigInt(n) * 3n);
    const replies = await Promise.all(ids.map((inodeId) => channel.call(getInode, { ...REQUEST, inodeId }, 20_000)));
    expect(replies.map((reply) => reply.appliedIndex)).toEqual(ids);
    expect(raw.connections).toBe(1);
  });

  it('never has more calls on the wire than it may', async () => {
    let open = 0;
    let most = 0;
    const { address } = await server((socket) =>
      onRequests(socket, (request) => {
        most = Math.max(most, ++open);
        setImmediate(() => {
          open--;
          socket.write(replyFrame(request.correlationId, { payload: NOT_FOUND }));
        });
      }),
    );
    const channel = channelTo(address, { callsMax: 3, bytesMax: 1000, waitingMax: 50 });
    const calls = Array.from({ length: 50 }, () => channel.call(getInode, REQUEST, 10_000));
    await Promise.all(calls);
    expect(most).toBe(3);
  });

  it('refuses what would wait behind too many', async () => {
    const { address } = await server(() => {});
    const channel = channelTo(address, { callsMax: 1, bytesMax: 1000, waitingMax: 2 });
    const calls = Array.from({ length: 3 }, () => faultOf(channel.call(getInode, REQUEST, 200)));
    await expectFault(channel.call(getInode, REQUEST, 200), { kind: 'busy', sent: false, says: /wait for their turn/ });
    await Promise.all(calls);
  });

  it('answers again after the server was away', async () => {
    const answering = (socket: Parameters<Parameters<typeof RawServer.start>[0]>[0]) =>
      onRequests(socket, (request) => socket.write(replyFrame(request.correlationId, { payload: NOT_FOUND })));
    const first = await RawServer.start(answering);
    const { address } = first;
    const channel = channelTo(address);
    expect((await channel.call(getInode, REQUEST, 5_000)).statusCode).toBe('NOT_FOUND');
    await first.close();
    const away = await faultOf(channel.call(getInode, REQUEST, 5_000));
    expect(['connect', 'closed']).toContain(away.kind);
    await expectFault(channel.call(getInode, REQUEST, 5_000), { kind: 'connect', sent: false, says: /ECONNREFUSED/ });
    const second = await RawServer.start(answering, address.port);
    closers.push(() => second.close());
    expect((await channel.call(getInode, REQUEST, 5_000)).statusCode).toBe('NOT_FOUND');
  });
});

describe('failures', () => {
  it('a request of 64 MiB is not sent', async () => {
    const raw = await server(() => {});
    const info = {
      chunkId: 2n ** 64n - 1n,
      compaction: 2n ** 64n - 1n,
      offset: 2 ** 52,
      len: 2 ** 52,
      size: 2 ** 52,
      zero: false,
    };
    const s3Chunks = Array.from({ length: 1_500_000 }, () => info);
    const s3ChunkInfoAdd = new Map([[0n, { s3Chunks }]]);
    const request = { ...REQUEST, s3ChunkInfoAdd, returnS3ChunkInfoMap: false };
    const call = channelTo(raw.address).call(getOrModifyS3ChunkInfo, request, 30_000);
    await expectFault(call, { kind: 'too-large', sent: false, says: new RegExp(`${REQUEST_BYTES_MAX}`) });
    expect(raw.connections).toBe(0);
  });

  it('a server that answers no more: a time-out each, and a new connection after three', async () => {
    const raw = await server(answerFirst);
    const channel = channelTo(raw.address);
    // A connection takes its time on a machine that is busy: it is there before the short calls.
    await channel.call(getInode, REQUEST, 20_000);
    for (let n = 0; n < 3; n++) {
      await expectFault(channel.call(getInode, REQUEST, 30), { kind: 'timeout', sent: true, says: /within \d+ ms/ });
    }
    await channel.call(getInode, REQUEST, 20_000);
    expect(raw.connections).toBe(2);
  });

  it('a long reply on its way: those that wait behind it time out, and the connection stays', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    closers.push(() => vi.useRealTimers());
    const push = vi.spyOn(FrameReader.prototype, 'push');
    closers.push(() => push.mockRestore());
    const rest = Promise.withResolvers<() => void>();
    const ids: bigint[] = [];
    const raw = await server((socket) =>
      onRequests(socket, ({ correlationId }) => {
        if (ids.push(correlationId) < 5) return;
        const [long = Buffer.alloc(0), last = Buffer.alloc(0)] = [ids[0], ids[4]].map((id) =>
          replyFrame(id ?? 0n, { payload: NOT_FOUND }),
        );
        socket.write(long.subarray(0, 20));
        rest.resolve(() => socket.write(Buffer.concat([long.subarray(20), last])));
      }),
    );
    const channel = channelTo(raw.address);
    const long = channel.call(getInode, REQUEST, 60_000);
    const short = [1, 2, 3].map(() => faultOf(channel.call(getInode, REQUEST, 1_000)));
    const write = channel.call(getInode, REQUEST, 60_000);
    const sendRest = await rest.promise;
    await expect.poll(() => push.mock.calls.length).toBe(1);
    vi.advanceTimersByTime(1_000);
    for (const fault of await Promise.all(short)) expect(fault).toMatchObject({ kind: 'timeout', sent: true });
    sendRest();
    expect([(await long).statusCode, (await write).statusCode]).toEqual(['NOT_FOUND', 'NOT_FOUND']);
    expect(raw.connections).toBe(1);
  });

  it('what else was on a connection that stopped answering ends with it, as sent', async () => {
    const { address } = await server(() => {});
    const channel = channelTo(address);
    const patient = faultOf(channel.call(getInode, REQUEST, 60_000));
    await Promise.all([1, 2, 3].map(() => faultOf(channel.call(getInode, REQUEST, 30))));
    const fault = await patient;
    expect(fault).toMatchObject({ kind: 'closed', sent: true });
    expect(fault.message).toMatch(/stopped answering/);
  });

  it('a late reply is ignored', async () => {
    const held: (() => void)[] = [];
    let asked = 0;
    const { address } = await server((socket) =>
      onRequests(socket, (request) => {
        held.push(() => socket.write(replyFrame(request.correlationId, { payload: NOT_FOUND })));
        if (++asked !== 2) for (const answer of held.splice(0)) answer();
      }),
    );
    const channel = channelTo(address);
    await channel.call(getInode, REQUEST, 20_000);
    await expectFault(channel.call(getInode, REQUEST, 30), { kind: 'timeout', sent: true, says: /GetInode/ });
    expect((await channel.call(getInode, REQUEST, 20_000)).statusCode).toBe('NOT_FOUND');
  });

  it('a connection that is cut while a call is on it: sent', async () => {
    const { address } = await server((socket) => onRequests(socket, () => socket.destroy()));
    await expectFault(channelTo(address).call(getInode, REQUEST, 5_000), {
      kind: 'closed',
      sent: true,
      says: /closed|ECONNRESET/,
    });
  });

  it('an address that does not answer at all costs the time-out', async () => {
    // A listener whose queue is full would do; a name that does not resolve is as good and needs no network.
    const fault = await faultOf(channelTo({ host: 'no-such-host.invalid', port: 1 }).call(getInode, REQUEST, 2_000));
    expect(fault).toMatchObject({ kind: 'connect', sent: false });
  });

  it.each([
    [1002, false],
    [1003, false],
    [1011, false],
    [2003, false],
    [2004, false],
    [2001, true],
    [2002, true],
    [11, true],
  ])('an error code %i: may have happened %s', async (errorCode, may) => {
    const { address } = await server((socket) =>
      onRequests(socket, ({ correlationId }) =>
        socket.write(replyFrame(correlationId, { errorCode, errorText: 'no\u001b[31m good' })),
      ),
    );
    const fault = await faultOf(channelTo(address).call(getInode, REQUEST, 5_000));
    expect(fault).toMatchObject({ kind: 'refused', sent: true, errorCode });
    expect(fault.message).toContain(`${errorCode}: no [31m good`);
    expect(mayHaveHappened(fault)).toBe(may);
  });
});

describe('what is no CurveFS server', () => {
  const strangers: readonly [string, Buffer, RegExp][] = [
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), /is an HTTP server/],
    ['TLS', Buffer.from('15030100020246', 'hex'), /speaks TLS/],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), /does not speak CurveFS's protocol/],
    ['a stream', Buffer.from('STRM\0\0\0\0\0\0\0\0', 'latin1'), /a stream that nobody asked for/],
    ['a frame of 2 GiB', Buffer.from('PRPC\x80\0\0\0\0\0\0\x01', 'latin1'), /a reply of 2147483648 bytes/],
    ['meta data longer than the frame', Buffer.from('PRPC\0\0\0\x01\0\0\0\x02', 'latin1'), /longer than the whole/],
    ['meta data that cannot be read', frame(Buffer.from('ffff', 'hex'), Buffer.alloc(0)), /cannot be read/],
    ['a frame without a reply', frame(Buffer.from('2001', 'hex'), Buffer.alloc(0)), /is no reply/],
    [
      'an attachment longer than the frame',
      frame(Buffer.from('12002001' + '2864', 'hex'), Buffer.alloc(9)),
      /longer than the whole/,
    ],
    [
      'a negative attachment',
      frame(Buffer.from('12002001' + '28ffffffffffffffffff01', 'hex'), Buffer.alloc(9)),
      /longer than the whole/,
    ],
    ['a compressed reply', frame(Buffer.from('12002001' + '1801', 'hex'), Buffer.alloc(9)), /compresses its replies/],
  ];

  it.each(strangers)('%s: told so, and the connection is given up', async (_, bytes, says) => {
    const raw = await server((socket) => socket.once('data', () => socket.write(bytes)));
    await expectFault(channelTo(raw.address).call(getInode, REQUEST, 5_000), { kind: 'protocol', sent: true, says });
    await expect.poll(() => raw.sockets.size).toBe(0);
  });

  it('a real HTTP server', async () => {
    const http = createHttpServer(() => {});
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => http.close(resolve)));
    const address = http.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    const call = channelTo({ host: '127.0.0.1', port: address.port }).call(getInode, REQUEST, 5_000);
    await expectFault(call, { kind: 'protocol', sent: true, says: /is an HTTP server/ });
  });

  it('garbage by the megabyte, byte for byte at random: a fault, never a crash', async () => {
    let seed = 12345;
    const random = () => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return seed >>> 16;
    };
    for (let round = 0; round < 20; round++) {
      const bytes = Buffer.from(Array.from({ length: 2000 }, () => random() & 0xff));
      if (round % 2 === 0) bytes.write('PRPC\0\0\x01', 'latin1');
      const raw = await server((socket) => socket.once('data', () => socket.end(bytes)));
      const fault = await faultOf(channelTo(raw.address).call(getInode, REQUEST, 5_000));
      expect(['protocol', 'closed']).toContain(fault.kind);
      expect(fault.sent).toBe(true);
    }
  });

  it('a reply that lacks a required field fails that call alone', async () => {
    const { address } = await server((socket) =>
      onRequests(socket, ({ correlationId, payload }) => {
        const good = payload.at(-1) === 101;
        socket.write(replyFrame(correlationId, { payload: good ? NOT_FOUND : Buffer.from('1800', 'hex') }));
      }),
    );
    const channel = channelTo(address);
    const [bad, good] = await Promise.all([
      faultOf(channel.call(getInode, REQUEST, 5_000)),
      channel.call(getInode, { ...REQUEST, inodeId: 101n }, 5_000),
    ]);
    expect(bad).toMatchObject({ kind: 'protocol', sent: true });
    expect(bad.message).toMatch(/GetInodeResponse.statusCode is required and is missing/);
    expect(good.statusCode).toBe('NOT_FOUND');
  });
});
