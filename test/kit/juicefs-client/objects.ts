/** Where the model keeps its objects: a bucket, or memory. */
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { listObjects } from '../juicefs/looks.ts';
import type { ModelObjects } from './volume.ts';

/** The objects of one volume; what else is in the bucket is not of interest. */
export class BucketObjects implements ModelObjects {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #volume: string;

  constructor(client: S3Client, bucket: string, volume: string) {
    this.#client = client;
    this.#bucket = bucket;
    this.#volume = volume;
  }

  async put(name: string, body: Uint8Array): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: name, Body: body }));
  }

  async get(name: string): Promise<Uint8Array | null> {
    try {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: name }));
      return (await Body?.transformToByteArray()) ?? new Uint8Array();
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') return null;
      throw error;
    }
  }

  async delete(name: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: name }));
  }

  async list() {
    const all = await listObjects(this.#client, this.#bucket);
    return all.filter(({ name }) => name.startsWith(`${this.#volume}/chunks/`));
  }
}

export class MemoryObjects implements ModelObjects {
  readonly bodies = new Map<string, Uint8Array>();

  async put(name: string, body: Uint8Array): Promise<void> {
    this.bodies.set(name, Uint8Array.from(body));
  }

  async get(name: string): Promise<Uint8Array | null> {
    return this.bodies.get(name) ?? null;
  }

  async delete(name: string): Promise<void> {
    this.bodies.delete(name);
  }

  async list() {
    return [...this.bodies].map(([name, body]) => ({ name, bytes: body.length }));
  }
}
