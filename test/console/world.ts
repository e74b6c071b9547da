/** A console over real clients on a free port, with what its tests ask of it. */
import { startConsole } from '../../src/console/server.ts';
import { createLogger, type Logger } from '../../src/observe/log.ts';
import type { Clients } from '../../src/wiring/clients.ts';
import { type E2eOptions, E2eWorld } from '../e2e/world.ts';
import { loadCase } from '../kit/cases/load.ts';

export interface ConsoleOptions extends E2eOptions {
  readonly token?: string;
  readonly log?: Logger;
  /** In the place of the world's own. */
  readonly clients?: (clients: Clients) => Partial<Clients>;
}

export class ConsoleWorld {
  readonly world: E2eWorld;
  readonly url: string;
  readonly #close: () => Promise<void>;

  private constructor(world: E2eWorld, running: { readonly url: string; readonly close: () => Promise<void> }) {
    this.world = world;
    this.url = running.url;
    this.#close = running.close;
  }

  static async open(name: string, options: ConsoleOptions = {}): Promise<ConsoleWorld> {
    const env = { S3COMPACT_CONSOLE_LISTEN: '127.0.0.1:0', ...options.env };
    const world = await E2eWorld.open(name, { ...options, env });
    const clients = { ...world.clients, ...options.clients?.(world.clients) };
    const log = options.log ?? createLogger({ level: 'error' });
    return new ConsoleWorld(world, await startConsole(clients, log, options.token));
  }

  /** A file of a real program, with many fragments. */
  async store(inodeId: bigint, name = 'tar-append.mid'): Promise<void> {
    await this.world.writer.createInode(inodeId);
    await this.world.writer.append(inodeId, loadCase(name));
  }

  get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(new URL(path, this.url), { redirect: 'manual', ...init });
  }

  async text(path: string): Promise<string> {
    const response = await this.get(path);
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.text();
  }

  /** All that this world's Redis holds, by key. */
  async redis(): Promise<Map<string, string>> {
    const { redis, prefix } = this.world.writer.options;
    const keys = (await redis.keys(`*${prefix}*`)).toSorted();
    const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
    return new Map(keys.map((key, n) => [key, dumps[n]?.toString('hex') ?? '']));
  }

  /** Calls on the queue's connection from now on. */
  countCalls(): () => number {
    const { connection } = this.world.clients.status;
    const send = connection.sendCommand.bind(connection);
    let calls = 0;
    connection.sendCommand = (command: Parameters<typeof send>[0]) => {
      calls++;
      return send(command);
    };
    return () => {
      connection.sendCommand = send;
      return calls;
    };
  }

  async close(): Promise<void> {
    await this.#close();
    await this.world.close();
  }
}
