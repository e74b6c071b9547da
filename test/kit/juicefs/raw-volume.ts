/** A JuiceFS volume made key by key, with the encoder of encode.ts: what no client would write can be put there, too. */
import type { Redis } from 'ioredis';
import { JuicefsVolume } from '../../../src/metadata/juicefs/volume.ts';
import {
  encodeAttributes,
  encodeDelayed,
  encodeEntry,
  encodeSlice,
  type RawAttributes,
  type RawSlice,
  settingJson,
} from './encode.ts';

export class RawVolume {
  readonly redis: Redis;
  readonly prefix: string;
  /** For the adapter; on a client of its own, since it closes it. */
  readonly volume: JuicefsVolume;

  constructor(redis: Redis, prefix: string) {
    this.redis = redis;
    this.prefix = prefix;
    this.volume = new JuicefsVolume({ redis: redis.duplicate(), prefix, timeoutMs: 10_000 });
  }

  async format(name: string, other: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.redis.set(`${this.prefix}setting`, settingJson(name, other));
    await this.inode(1, { kind: 'directory' });
  }

  async inode(inode: number, attributes: RawAttributes): Promise<void> {
    await this.redis.set(`${this.prefix}i${inode}`, encodeAttributes(attributes));
  }

  async name(directory: number, name: string, kind: 'file' | 'directory' | 'symlink', inode: number): Promise<void> {
    await this.redis.hset(`${this.prefix}d${directory}`, name, encodeEntry(kind, inode));
  }

  async list(inode: number, chunk: number, slices: readonly (RawSlice | Buffer)[]): Promise<void> {
    const values = slices.map((slice) => (Buffer.isBuffer(slice) ? slice : encodeSlice(slice)));
    await this.redis.rpush(`${this.prefix}c${inode}_${chunk}`, ...values);
  }

  /** A file of twenty slices, each of a byte and of its own; the counters of a new volume are behind them. */
  async fragmented(inode: number): Promise<void> {
    const slices = Array.from({ length: 20 }, (_, n) => wholeSlice(n + 1, n, 1));
    await this.inode(inode, { length: slices.length });
    await this.list(inode, 0, slices);
    await this.redis.mset(`${this.prefix}nextchunk`, '100', `${this.prefix}nextinode`, '100');
  }

  /** How many records name it. */
  async references(id: number, size: number, count: number): Promise<void> {
    await this.redis.hset(`${this.prefix}sliceRef`, `k${id}_${size}`, `${count - 1}`);
  }

  async delayed(id: number, seconds: number, slices: readonly { id: number; size: number }[]): Promise<void> {
    await this.redis.hset(`${this.prefix}delSlices`, `${id}_${seconds}`, encodeDelayed(slices));
  }
}

/** A slice that one record shows whole. */
export function wholeSlice(id: number, pos: number, size: number): RawSlice {
  return { pos, id, size, off: 0, len: size };
}
