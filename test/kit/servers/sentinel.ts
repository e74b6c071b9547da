/**
 * A redis-sentinel for tests, on a free loopback port; it is a mode of redis-server and needs a real one. It watches one
 * primary under the name `films`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findProgram, spawnGuarded, withAttempts } from './guarded.ts';
import type { RedisService } from './redis.ts';

export interface SentinelService {
  readonly port: number;
  stop(): Promise<void>;
}

export function hasSentinel(): boolean {
  return findProgram('redis-server') !== undefined;
}

/** `settings` are more lines of its configuration file. */
export function startSentinel(primary: RedisService, settings: readonly string[] = []): Promise<SentinelService> {
  return withAttempts(async () => {
    const port = await freePort();
    const child = await spawnGuarded('redis-sentinel', (directory) => {
      const file = join(directory, 'sentinel.conf');
      const watched = `sentinel monitor films 127.0.0.1 ${new URL(primary.url).port} 1`;
      writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', watched, ...settings].join('\n'));
      return { command: findProgram('redis-server') ?? '', args: [file, '--sentinel'] };
    });
    try {
      await child.printed(/\+monitor master films/, 30_000);
    } catch (error) {
      await child.stop();
      throw error;
    }
    return { port, stop: () => child.stop() };
  });
}
