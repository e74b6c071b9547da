/**
 * A process that dies between any two of its commands to Redis: a proxy that counts the commands which pass and, when so
 * many have, closes every connection for good. It stands alone because a mock of the client would not see what BullMQ and
 * transactions send. It reads no more of the protocol than where a command ends.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Redis } from 'ioredis';

const FOR_EVER_MS = 24 * 3_600_000;

/** Where the first command ends in these bytes; `null`: it is not whole. */
function endOfCommand(bytes: Buffer): number | null {
  let at = bytes.indexOf('\r\n');
  if (at < 0) return null;
  const parts = Number(bytes.toString('latin1', 1, at));
  at += 2;
  for (let n = 0; n < parts; n++) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return null;
    at = end + 2 + Number(bytes.toString('latin1', at + 1, end)) + 2;
  }
  return at <= bytes.length ? at : null;
}

export class CutOff {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  /** Commands that still pass. */
  #left = Number.POSITIVE_INFINITY;
  #dead = false;

  private constructor(target: URL) {
    this.#server = createServer((client) => {
      const server = connect(Number(target.port), target.hostname);
      let rest = Buffer.alloc(0);
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => this.#sockets.delete(socket));
      }
      if (this.#dead) client.destroy();
      client.on('data', (data) => {
        rest = Buffer.concat([rest, data]);
        for (let end = endOfCommand(rest); end !== null && !this.#dead; end = endOfCommand(rest)) {
          if (this.#left-- <= 0) return this.#die();
          server.write(rest.subarray(0, end));
          rest = rest.subarray(end);
        }
      });
      server.on('data', (data) => client.write(data));
      client.on('close', () => server.end());
      server.on('close', () => client.destroy());
    });
  }

  static async open(redisUrl: string): Promise<CutOff> {
    const one = new CutOff(new URL(redisUrl));
    await new Promise<void>((resolve) => one.#server.listen(0, '127.0.0.1', () => resolve()));
    return one;
  }

  /** A connection of the process, ready. */
  async connect(): Promise<Redis> {
    const { port } = this.#server.address() as AddressInfo;
    // The connection of a dead process waits for ever; one that has ended makes BullMQ's loops spin.
    const retryStrategy = () => (this.#dead ? FOR_EVER_MS : 10);
    const redis = new Redis({ port, maxRetriesPerRequest: null, retryStrategy });
    redis.on('error', () => undefined);
    await redis.ping();
    return redis;
  }

  /** From now on so many commands pass; then the process is dead. */
  arm(commands: number): void {
    this.#left = commands;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  async close(): Promise<void> {
    this.#die();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #die(): void {
    this.#dead = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}
