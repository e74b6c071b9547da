/**
 * The volumes that `juicefs gc --compact` and s3compact are held against each other on, as the writes of a client that flushes
 * each: logs, a file that is overwritten at random, images with holes, and a volume of which little is bad. The same
 * writes each time. No list is so long that the client itself would have compacted it while it wrote.
 */
import { createCipheriv, createHash } from 'node:crypto';
import type { ModelClient } from '../../test/kit/juicefs-client/client.ts';
import { CHUNK } from '../../test/kit/juicefs-client/volume.ts';
import { Random } from '../../test/sim/seeded/random.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const BLOCK = 4 * MIB;

export interface Shape {
  readonly name: string;
  write(pen: Pen): Promise<void>;
}

/** Writes files of bytes that anybody can make again. */
export class Pen {
  readonly random = new Random(41);
  /** By name. */
  readonly files = new Map<string, number>();
  readonly #client: ModelClient;
  #writes = 0;

  constructor(client: ModelClient) {
    this.#client = client;
  }

  async create(name: string): Promise<number> {
    const inode = await this.#client.create(name);
    this.files.set(name, inode);
    return inode;
  }

  /** Slices end where chunks do. */
  async write(inode: number, offset: number, length: number): Promise<void> {
    const room = Math.min(length, CHUNK - (offset % CHUNK));
    const key = createHash('md5')
      .update(`${this.#writes++}`)
      .digest();
    const content = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(room));
    await this.#client.write(inode, offset, content);
    if (room < length) await this.write(inode, offset + room, length - room);
  }

  async append(inode: number, lengths: readonly number[]): Promise<void> {
    let at = 0;
    for (const length of lengths) {
      await this.write(inode, at, length);
      at += length;
    }
  }

  lengths(count: number, from: number, below: number): number[] {
    return Array.from({ length: count }, () => from + this.random.below(below - from));
  }
}

export const SHAPES: readonly Shape[] = [
  {
    name: '60 logs, 20 to 99 appends of 4 to 64 KiB',
    async write(pen) {
      for (let n = 0; n < 60; n++) {
        const log = await pen.create(`${n}.log`);
        await pen.append(log, pen.lengths(20 + pen.random.below(80), 4 * KIB, 64 * KIB));
      }
    },
  },
  {
    name: 'a file of 256 MiB, 95 overwrites of 4 to 64 KiB in each chunk',
    async write(pen) {
      const file = await pen.create('base.db');
      for (let chunk = 0; chunk < 4; chunk++) {
        await pen.write(file, chunk * CHUNK, CHUNK);
        for (const length of pen.lengths(95, 4 * KIB, 64 * KIB))
          await pen.write(file, chunk * CHUNK + pen.random.below(16_000) * 4 * KIB, length);
      }
    },
  },
  {
    name: '4 images of 64 MiB, 30 writes of 64 to 512 KiB with holes between',
    async write(pen) {
      for (let n = 0; n < 4; n++) {
        const image = await pen.create(`${n}.img`);
        for (const length of pen.lengths(30, 64 * KIB, 512 * KIB))
          await pen.write(image, pen.random.below(15_500) * 4 * KIB, length);
      }
    },
  },
  {
    name: '409 files, 6 of them bad',
    async write(pen) {
      for (let n = 0; n < 300; n++) await pen.append(await pen.create(`one-${n}`), pen.lengths(1, 4 * KIB, 256 * KIB));
      for (let n = 0; n < 100; n++)
        await pen.append(await pen.create(`few-${n}`), pen.lengths(2 + (n % 3), 64 * KIB, 512 * KIB));
      // In blocks of 4 MiB, as a client writes that flushes each: nothing can be read with fewer GETs.
      for (let n = 0; n < 3; n++) await pen.append(await pen.create(`even-${n}`), Array(16).fill(BLOCK));
      for (let n = 0; n < 6; n++) await pen.append(await pen.create(`bad-${n}`), pen.lengths(95, 4 * KIB, 32 * KIB));
    },
  },
];
