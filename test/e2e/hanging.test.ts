/**
 * SIGTERM while a command hangs in Redis: a server that accepted the request and never answers. A command may wait four
 * minutes for an answer here, so a test that ends has ended by the signal. The queue and the metadata hang by turns.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { E2eWorld } from './world.ts';

const COMMAND = fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
const FILE = 10n;
let world: E2eWorld;

interface Hanging {
  readonly url: string;
  /** A request with the text has come; from then on nothing is answered. */
  readonly hangs: Promise<void>;
  readonly end: () => void;
}

/** Redis behind it, until a request holds the text. */
async function hangingAt(text: string): Promise<Hanging> {
  const target = new URL(inject('redisUrl'));
  const { promise: hangs, resolve } = Promise.withResolvers<void>();
  let hanging = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('data', (data) => {
      hanging ||= data.includes(text);
      if (hanging) resolve();
      else upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (!hanging) client.write(data);
    });
    client.on('close', () => upstream.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const end = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { url: `redis://127.0.0.1:${port}${target.pathname}`, hangs, end };
}

beforeAll(async () => {
  world = await E2eWorld.open('hanging', { env: { S3COMPACT_GRACE: '2ms' } });
  await world.writer.createInode(FILE);
  for (let n = 0; n < 30; n++) await world.writer.write(FILE, n * 1_000, 1_500);
  await world.compactInline(FILE);
  for (let n = 0; n < 30; n++) await world.writer.write(FILE, n * 1_000, 1_500);
});
afterAll(() => world.close());

/** How the command ends after it hung and got SIGTERM. */
async function ending(argv: readonly string[], hanging: Hanging, env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [COMMAND, ...argv], {
    env: { ...process.env, ...world.env, S3COMPACT_REDIS_TIMEOUT: '4m', S3COMPACT_LOCK_DURATION: '10m', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout?.on('data', (data) => (text += data));
  child.stderr?.on('data', (data) => (text += data));
  const ended = once(child, 'close') as Promise<[number | null, string | null]>;
  try {
    await Promise.race([hanging.hangs, ended.then(() => Promise.reject(new Error(`it did not hang: ${text}`)))]);
    child.kill('SIGTERM');
    const [code, signal] = await ended;
    return { code, signal, text };
  } finally {
    hanging.end();
  }
}

describe.concurrent.each([
  { name: 'scan', argv: ['scan', '1'], asks: ':scan' },
  { name: 'gc', argv: ['gc', '1'], asks: ':gc' },
  { name: 'fsck', argv: ['fsck', '1'], asks: null },
  // What its worker takes a job with.
  { name: 'reap', argv: ['reap'], asks: ':reap:marker' },
])('SIGTERM ends $name in good order', ({ argv, asks }) => {
  it('while the metadata hangs', async () => {
    const hanging = await hangingAt(world.writer.inodeKey(FILE));
    expect(await ending(argv, hanging, { METADATA_URL: hanging.url })).toMatchObject({ code: 3, signal: null });
  });

  it.runIf(asks !== null)('while the queue hangs', async () => {
    const hanging = await hangingAt(asks ?? '');
    const metadata = inject('redisUrl');
    expect(await ending(argv, hanging, { REDIS_URL: hanging.url, METADATA_URL: metadata })).toMatchObject({
      code: 3,
      signal: null,
    });
  });
});

it('SIGTERM ends status --watch while the queue hangs', async () => {
  const hanging = await hangingAt(':quarantine');
  const servers = { REDIS_URL: hanging.url, METADATA_URL: inject('redisUrl') };
  expect(await ending(['status', '--watch', '100ms'], hanging, servers)).toMatchObject({ code: 0, signal: null });
});
