/**
 * A file system of a test in real Redis, written with raw commands in the format of docs/format.md (not through the adapter,
 * which is under test too), and the command line run in process with its output caught.
 */
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { run } from '../../src/cli/main.ts';
import { uniquePrefix } from '../setup/isolation.ts';

export interface Inode {
  readonly id: bigint | number;
  readonly length: number;
  readonly nlink?: number;
  readonly type?: string;
  /** Records by chunk index, oldest first, as text. */
  readonly chunks?: Readonly<Record<number, readonly string[]>>;
}

export interface Ending {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `chunkId,compaction,offset,len,size,zero` of a version that a client wrote. */
export function record(chunkId: number, offset: number, len: number, zero = 0): string {
  return `${chunkId},0,${offset},${len},${len},${zero}`;
}

export class MetadataFixture {
  readonly prefix = uniquePrefix('cli');
  readonly redis: Redis;

  readonly url: string;

  constructor(url: string = inject('redisUrl')) {
    this.url = url;
    this.redis = new Redis(url);
  }

  async filesystem(fsId: number, fields: Readonly<Record<string, string | number>> = {}): Promise<void> {
    await this.redis.hset(`${this.prefix}:{${fsId}}`, {
      name: 'photos',
      bucket: 'photos-data',
      blockSize: 16,
      chunkSize: 64,
      objectPrefix: 0,
      nextChunkId: 100,
      uuid: 'f5c5d5a0-0000-4000-8000-000000000001',
      ...fields,
    });
  }

  async inode(fsId: number, inode: Inode): Promise<void> {
    const key = `${this.prefix}:{${fsId}:${inode.id}}`;
    await this.redis.hset(key, {
      length: inode.length,
      nlink: inode.nlink ?? 1,
      mtimeMs: 1_700_000_000_000,
      type: inode.type ?? 's3',
    });
    for (const [chunkIndex, records] of Object.entries(inode.chunks ?? {})) {
      await this.redis.sadd(`${key}:chunks`, chunkIndex);
      for (let from = 0; from < records.length; from += 1000) {
        await this.redis.rpush(`${key}:${chunkIndex}`, ...records.slice(from, from + 1000));
      }
    }
  }

  /** Every key of the fixture with its content, to show that nothing was changed. */
  async dump(): Promise<readonly string[]> {
    const keys = (await this.redis.keys(`${this.prefix}:*`)).sort();
    return Promise.all(keys.map(async (key) => `${key} ${(await this.redis.dump(key)) ?? ''}`));
  }

  /** Runs a command line against this fixture; `env` comes on top. */
  async cli(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ending> {
    return runCli(argv, { REDIS_URL: this.url, METADATA_PREFIX: this.prefix, ...env });
  }

  close(): void {
    this.redis.disconnect();
  }
}

/** Runs a command line in this process, as if on streams that are no terminals. */
export async function runCli(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ending> {
  let stdout = '';
  let stderr = '';
  const exitCode = await run(argv, env, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { exitCode, stdout, stderr };
}
