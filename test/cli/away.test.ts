/**
 * Servers that are away, as somebody at a terminal meets them: a port at which nobody listens, and one that accepts and
 * never answers. A call may take four minutes here: a command that is over before that has waited for no call, and nothing
 * that waits for one keeps its process.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CommandProcess } from '../kit/support/command-process.ts';
import { uniquePrefix } from '../setup/isolation.ts';

/** Less than a call may take, and a hundred times what a command takes. */
const OVER_MS = 200_000;
const METADATA = /the metadata (?:store|service) .*did not answer within/;
const QUEUE = /the queue's Redis was not ready within/;
let silent: Server;

beforeAll(async () => {
  silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
});
afterAll(() => silent.close());

async function ending(args: readonly string[], servers: Readonly<Record<string, string>>) {
  let stderr = '';
  const command = new CommandProcess({
    args,
    env: {
      QUEUE_PREFIX: uniquePrefix('away'),
      METADATA_PREFIX: uniquePrefix('away'),
      AWS_REGION: 'none',
      S3COMPACT_REDIS_TIMEOUT: '4m',
      S3COMPACT_LOCK_DURATION: '10m',
      ...servers,
    },
    onLine: (_line, text) => (stderr += `${text}\n`),
  });
  await command.ended;
  return { exit: command.exit, text: `${command.stdout}${stderr}` };
}

// A command waits more than it works.
describe.concurrent.each(['closed', 'silent'])('a port that is %s', (kind) => {
  const url = () => `redis://127.0.0.1:${kind === 'closed' ? 1 : (silent.address() as AddressInfo).port}`;

  it.each([
    { args: ['plan', '1', '1'], exit: '3' },
    { args: ['inspect', '1', '1'], exit: '3' },
    { args: ['fsck', '1'], exit: '3' },
    { args: ['scan', '1'], exit: '3' },
    { args: ['inode', '1', '1'], exit: '3' },
    { args: ['gc', '1'], exit: '3' },
    { args: ['status'], exit: '0' },
  ])('metadata: $args says so, and ends', { timeout: OVER_MS }, async ({ args, exit }) => {
    let seen = await ending(args, { REDIS_URL: inject('redisUrl'), METADATA_URL: url() });
    // On a machine with too much to do the queue's Redis may seem to be away, too.
    for (let tries = 1; tries < 5 && QUEUE.test(seen.text); tries++) {
      seen = await ending(args, { REDIS_URL: inject('redisUrl'), METADATA_URL: url() });
    }
    expect(seen.text).toMatch(METADATA);
    expect(seen.exit).toBe(exit);
  });

  it.each([[['scan', '1']], [['inode', '1', '1']], [['status']]])(
    'queue: %j says so, and ends',
    { timeout: OVER_MS },
    async (args) => {
      const seen = await ending(args, { REDIS_URL: url() });
      expect(seen.text).toMatch(QUEUE);
      expect(seen.exit).toBe('3');
    },
  );
});

it('what a fault left open does not keep the process', { timeout: OVER_MS }, async () => {
  const seen = await ending(['--version'], {
    NODE_OPTIONS: '--import=data:text/javascript,setInterval(()=>{},1000)',
  });
  expect(seen.exit).toBe('0');
  expect(seen.text).toMatch(/^\d+\.\d+\.\d+/);
});
