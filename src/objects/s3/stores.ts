/**
 * The object stores of all file systems on S3: one client for each endpoint and region (and each file system
 * that has credentials of its own), one store for each bucket (and each way to write to it), both kept and shared. It reads no environment of its own (the
 * SDK's AWS_* chain does) and must hold no policy.
 */
import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3';
import { CompactError } from '../../errors.ts';
import type { Filesystem } from '../../model.ts';
import type { ObjectStore, ObjectStores } from '../port.ts';
import { S3Connection } from './connection.ts';
import { FastDataPath } from './data-path-fast.ts';
import { SdkDataPath } from './data-path-sdk.ts';
import { errorFacts } from './errors.ts';
import type { PassingCredentials, S3Settings } from './settings.ts';
import { S3ObjectStore } from './store.ts';

export type { S3Credentials, S3Settings } from './settings.ts';

export interface S3StoresSettings extends S3Settings {
  /** Each file system's own credentials, instead of `credentials`; asked again when they end. */
  readonly credentialsOf?: (filesystem: Filesystem) => Promise<PassingCredentials>;
}

interface Client {
  readonly connection: S3Connection;
  readonly stores: Map<string, S3ObjectStore>;
}

/** Stores are as many as there are pairs of client and bucket among the file systems, so the maps stay small (I8). */
export class S3ObjectStores implements ObjectStores {
  readonly #settings: S3StoresSettings;
  readonly #clients = new Map<string, Client>();

  constructor(settings: S3StoresSettings = {}) {
    this.#settings = settings;
    if (settings.endpoint === undefined || isHttpUrl(settings.endpoint)) return;
    const what = 'The S3 endpoint is not an http(s) URL; correct it in the settings.';
    throw new CompactError(what, { kind: 'halt', code: 'settings-invalid' });
  }

  /** The store of a file system's bucket; its own endpoint and region win over the settings. Throws `filesystem-malformed` for an endpoint that is no URL. */
  forFilesystem(filesystem: Filesystem): ObjectStore {
    const { bucket, keepsCrc32c = false, storageClass } = filesystem;
    const client = this.#client(filesystem);
    const key = JSON.stringify([bucket, keepsCrc32c, storageClass]);
    let store = client.stores.get(key);
    if (store === undefined) {
      const sdk = new SdkDataPath(client.connection, bucket);
      const data = this.#settings.dataPath === 'sdk' ? sdk : new FastDataPath(client.connection, bucket, sdk);
      store = new S3ObjectStore(client.connection, bucket, { data, keepsCrc32c, storageClass });
      client.stores.set(key, store);
    }
    return store;
  }

  /** Makes the bucket of a file system, for `s3compact example`. */
  async createBucket(filesystem: Filesystem): Promise<void> {
    const { bucket } = filesystem;
    await this.#client(filesystem).connection.request({ doing: 'Making the bucket', bucket }, (sdk, abortSignal) =>
      sdk.send(new CreateBucketCommand({ Bucket: bucket }), { abortSignal }),
    );
  }

  /** `false`: it holds something, and is as it was. */
  removeEmptyBucket(filesystem: Filesystem): Promise<boolean> {
    const { bucket } = filesystem;
    const { connection } = this.#client(filesystem);
    return connection.request({ doing: 'Removing the bucket', bucket }, async (sdk, abortSignal) => {
      try {
        await sdk.send(new DeleteBucketCommand({ Bucket: bucket }), { abortSignal });
        return true;
      } catch (thrown) {
        const { name } = errorFacts(thrown);
        if (name === 'NoSuchBucket') return true;
        if (name === 'BucketNotEmpty') return false;
        throw thrown;
      }
    });
  }

  /** Ends calls in flight and closes all sockets. */
  close(): void {
    for (const client of this.#clients.values()) client.connection.close();
  }

  #client(filesystem: Filesystem): Client {
    const endpoint = filesystem.endpoint ?? this.#settings.endpoint;
    const region = filesystem.region ?? this.#settings.region;
    const { credentialsOf } = this.#settings;
    const key = JSON.stringify([endpoint, region, ...(credentialsOf === undefined ? [] : [filesystem.fsId])]);
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    if (endpoint !== undefined && !isHttpUrl(endpoint))
      throw new CompactError(
        `The endpoint of file system ${filesystem.fsId} is not an http(s) URL; correct it in the metadata.`,
        { kind: 'halt', code: 'filesystem-malformed' },
      );
    const connection = new S3Connection({
      ...this.#settings,
      endpoint,
      region,
      ...(credentialsOf === undefined ? {} : { credentials: () => credentialsOf(filesystem) }),
    });
    const client: Client = { connection, stores: new Map() };
    this.#clients.set(key, client);
    return client;
  }
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
