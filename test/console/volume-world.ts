/** A console with acts over a volume in the slice layout, made key by key, with real clients on a Redis of its own. */
import { Redis } from 'ioredis';
import { loadSettings } from '../../src/config/index.ts';
import { type RunningConsole, startVolumeConsole } from '../../src/console/server.ts';
import { createLogger } from '../../src/observe/log.ts';
import { openVolumeClients } from '../../src/wiring/volume-clients.ts';
import type { WorkClients } from '../../src/wiring/work-clients.ts';
import { RawVolume, wholeSlice } from '../kit/juicefs/raw-volume.ts';
import { type RedisService, startRedis } from '../kit/servers/redis.ts';

export const TOKEN = 'a-token-of-the-tests-0123456789';
export const KEY = { fsId: 1, inodeId: 5n };
/** In quarantine. */
export const STOPPED = { fsId: 1, inodeId: 6n };
const DATABASE = 1;

interface Parts {
  readonly service: RedisService;
  readonly redis: Redis;
  readonly raw: RawVolume;
  readonly clients: WorkClients;
  readonly running: RunningConsole;
  readonly lines: readonly string[];
}

export class VolumeConsoleWorld {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  static async open(): Promise<VolumeConsoleWorld> {
    const service = await startRedis();
    const redis = new Redis(`${service.url}/${DATABASE}`);
    const raw = new RawVolume(redis, '');
    await raw.format('vol');
    for (const { inodeId } of [KEY, STOPPED]) {
      const inode = Number(inodeId);
      await raw.inode(inode, { length: 8 });
      const records = Array.from({ length: 8 }, (_, n) => wholeSlice(inode * 10 + n, n, 1));
      await raw.list(inode, 0, records);
    }
    const { host } = new URL(service.url);
    const env = {
      METADATA_URL: `juicefs+redis://${host}/${DATABASE}`,
      REDIS_URL: service.url,
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
      S3COMPACT_CONSOLE_LISTEN: '127.0.0.1:0',
      S3COMPACT_CONSOLE_ALLOW_ACTIONS: 'true',
    };
    const settings = loadSettings({ flags: {}, env });
    const lines: string[] = [];
    const log = createLogger({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
    const clients = await openVolumeClients(settings, createLogger({ level: 'silent' }));
    const entry = { code: 'record-malformed', reason: 'for the test', sinceMs: 1_800_000_000_000 };
    await clients.quarantine.put(STOPPED, entry);
    const running = await startVolumeConsole(raw.volume, settings, { log, token: TOKEN, clients });
    return new VolumeConsoleWorld({ service, redis, raw, clients, running, lines });
  }

  get url(): string {
    return this.#parts.running.url;
  }

  get clients(): WorkClients {
    return this.#parts.clients;
  }

  /** Acts that were carried out, as the log has them. */
  get acted(): number {
    return this.#parts.lines.filter((line) => /"event":"console.acted".*"outcome":"done"/.test(line)).length;
  }

  /** All that the volume's database holds. */
  async volumeKeys(): Promise<unknown> {
    const { redis } = this.#parts;
    const keys = (await redis.keys('*')).toSorted();
    return Promise.all(keys.map(async (key) => [key, (await redis.dumpBuffer(key))?.toString('hex')]));
  }

  async close(): Promise<void> {
    const { running, clients, raw, redis, service } = this.#parts;
    await running.close();
    await clients.close();
    await raw.volume.close();
    redis.disconnect();
    await service.stop();
  }
}
