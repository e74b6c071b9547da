/**
 * What the CurveFS adapter says of answers that are broken, of file systems that are not kept in S3, and of what is no
 * CurveFS server at all: a clear error each, in time; no crash, no hang.
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CurvefsMetadata } from '../../../../src/metadata/curvefs/curvefs.ts';
import { type CurvefsWorld, curvefsWorld } from '../../curvefs-world.ts';
import { FILESYSTEM, INODE, KEY } from '../../world.ts';
import type { Message } from './wire.ts';

let world: CurvefsWorld;

beforeEach(async () => {
  world = await curvefsWorld({ timeoutMs: 1_500 });
  await world.putFilesystem(FILESYSTEM);
  await world.putInode(INODE);
});
afterEach(() => world.close());

describe('what is wrong there is told, and ends the call', () => {
  it.each([
    ['the length', 'length'],
    ['the number of links', 'nlink'],
    ['the type', 'type'],
  ])('an inode without %s', async (_, field) => {
    const change = (response: Message): Message => {
      const { [field]: __, ...inode } = response['inode'] as Message;
      return { ...response, inode };
    };
    world.cluster.faults.add({ method: 'GetInode', change, times: 100 });
    await expect(world.store.readChunk(KEY, 3, 10)).rejects.toMatchObject({
      name: 'CompactError',
      code: expect.stringMatching(/^(metadata|inode)-/),
    });
  });

  it('a file system that is not S3, one that is being made, and one whose sizes do not fit', async () => {
    const { cluster, store } = world;
    cluster.addFilesystem({ fsId: 21, fsType: 1 });
    cluster.addFilesystem({ fsId: 22, status: 0 });
    cluster.addFilesystem({ fsId: 23, blockSize: 4096, chunkSize: 10_000 });
    for (const fsId of [21, 22, 23]) {
      await expect(store.getFilesystem(fsId)).rejects.toMatchObject({ kind: 'halt', code: 'filesystem-malformed' });
    }
  });

  const strangers = new Set<Server>();
  afterEach(() => {
    for (const server of strangers) server.close();
    strangers.clear();
  });
  const listen = async (server: Server): Promise<number> => {
    strangers.add(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as { port: number }).port;
  };

  it.each([
    ['an HTTP server', () => createHttpServer((_, response) => response.end('hello'))],
    [
      'one that speaks TLS',
      () => createServer((socket) => void socket.on('error', () => {}).end(Buffer.from('15030100020228', 'hex'))),
    ],
    [
      'one that says anything',
      () => createServer((socket) => void socket.on('error', () => {}).end(Buffer.alloc(5_000, 0x5a))),
    ],
    [
      'frames of 2 GiB',
      () =>
        createServer(
          (socket) => void socket.on('error', () => {}).write(Buffer.from('5052504380000000000000ff', 'hex')),
        ),
    ],
    ['one that hangs up', () => createServer((socket) => socket.on('error', () => {}).destroy())],
    ['one that says nothing', () => createServer((socket) => void socket.on('error', () => {}).resume())],
  ])('%s in the place of the MDS', async (_, make) => {
    const port = await listen(make());
    const store = new CurvefsMetadata({ mds: [{ host: '127.0.0.1', port }], timeoutMs: 1_500 });
    const startedMs = performance.now();
    const thrown = await store.getFilesystem(7).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ name: 'CompactError', code: expect.stringMatching(/^metadata-/) });
    expect((thrown as Error).message).toContain('METADATA_URL');
    expect(performance.now() - startedMs).toBeLessThan(60_000);
    await store.close();
  });

  it('the port of a metaserver in the place of the MDS', async () => {
    const port = world.cluster.metaservers[0]?.port ?? 0;
    const store = new CurvefsMetadata({ mds: [{ host: '127.0.0.1', port }], timeoutMs: 1_500 });
    await expect(store.getFilesystem(7)).rejects.toMatchObject({ kind: 'halt', code: 'metadata-refused' });
    await store.close();
  });
});
