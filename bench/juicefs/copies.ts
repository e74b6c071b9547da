/**
 * One volume, many times: written once by the model of a client into memory, under a setting that the real program made, and
 * then copied key by key and object by object to databases and buckets of their own. It measures nothing.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import pLimit from 'p-limit';
import { request } from 'undici';
import { ageIds } from '../../test/kit/juicefs/aged-ids.ts';
import { ModelClient } from '../../test/kit/juicefs-client/client.ts';
import { MemoryObjects } from '../../test/kit/juicefs-client/objects.ts';
import { ModelVolume } from '../../test/kit/juicefs-client/volume.ts';
import { RealVolume } from '../../test/kit/servers/juicefs.ts';
import type { S3Service } from '../../test/kit/servers/s3.ts';
import { makePublicBucket } from '../throughput/radosgw.ts';
import { BLOCK, Pen, type Shape } from './shapes.ts';

export const VOLUME = 'vol';
const TEMPLATE_DATABASE = 1;
export const COPY_DATABASE = 2;
export const QUEUE_DATABASE = 3;
/** Files are at rest. */
const hourAgo = () => Math.floor(Date.now() / 1000) - 3600;

export class Template {
  readonly #redis: Redis;
  readonly #url: string;
  readonly #objects = new MemoryObjects();
  /** The SHA-256 of each file, by name. */
  readonly shas = new Map<string, string>();
  bytes = 0;

  private constructor(redis: Redis, url: string) {
    this.#redis = redis;
    this.#url = url;
  }

  static async write(shape: Shape, url: string, { redis, s3 }: Servers): Promise<Template> {
    const own = redis.duplicate({ db: TEMPLATE_DATABASE });
    const template = new Template(own, url);
    await s3.createBucket('template');
    const flags = ['--trash-days', '0'];
    const metaUrl = `${url}/${TEMPLATE_DATABASE}`;
    const real = await RealVolume.format(metaUrl, { name: VOLUME, s3, bucket: 'template', flags });
    // The model keeps no figures of directories.
    await real.run(['config', '--yes', metaUrl, '--dir-stats=false']);
    const objects = template.#objects;
    const client = new ModelClient(
      new ModelVolume({ redis: own, objects, name: VOLUME, blockSize: BLOCK, trashDays: 0, now: hourAgo }),
    );
    const pen = new Pen(client);
    await shape.write(pen);
    for (const [name, inode] of pen.files) {
      const content = await client.read(inode);
      template.bytes += content.length;
      template.shas.set(name, createHash('sha256').update(content).digest('hex'));
    }
    return template;
  }

  /** `aged`: with ids that are old enough to be used. */
  async copy(bucket: string, { s3, aged = true }: { readonly s3: S3Service; readonly aged?: boolean }): Promise<Copy> {
    const [to, queue] = [COPY_DATABASE, QUEUE_DATABASE].map((db) => this.#redis.duplicate({ db }));
    if (to === undefined || queue === undefined) throw new Error('no connection');
    await Promise.all([to.flushdb(), queue.flushdb(), makePublicBucket(s3, bucket)]);
    for (const key of await this.#redis.keys('*')) {
      const value = await this.#redis.dumpBuffer(key);
      if (value !== null) await to.restore(key, 0, value);
    }
    if (aged) await ageIds(to);
    await pLimit(16).map(this.#objects.bodies, async ([name, body]) => {
      const answer = await request(`${s3.endpoint}/${bucket}/${name}`, { method: 'PUT', body });
      if (answer.statusCode !== 200) throw new Error(`PUT ${name}: ${answer.statusCode} ${await answer.body.text()}`);
      await answer.body.dump();
    });
    queue.disconnect();
    const copy = new Copy(to, this.#url, bucket);
    await copy.moveTo(s3.endpoint);
    return copy;
  }

  close(): void {
    this.#redis.disconnect();
  }
}

export interface Servers {
  readonly redis: Redis;
  readonly s3: S3Service;
}

export class Copy {
  readonly redis: Redis;
  readonly real: RealVolume;
  readonly bucket: string;

  constructor(redis: Redis, url: string, bucket: string) {
    this.redis = redis;
    this.real = new RealVolume(`${url}/${COPY_DATABASE}`);
    this.bucket = bucket;
  }

  /** The address at which everybody finds the bucket: a proxy's, or the server's own. */
  async moveTo(endpoint: string): Promise<void> {
    const setting = JSON.parse((await this.redis.get('setting')) ?? '{}') as Record<string, unknown>;
    await this.redis.set('setting', JSON.stringify({ ...setting, Bucket: `${endpoint}/${this.bucket}` }));
  }

  close(): void {
    this.redis.disconnect();
  }
}
