/**
 * Types for the parts of @20minutes/s3rver 4.0.4 that s3rver-server.ts uses; the package has none.
 * They include members that it does not document: the version is pinned exactly.
 */
declare module '@20minutes/s3rver' {
  import type { AddressInfo } from 'node:net';

  class S3rver {
    constructor(options: S3rver.Options);
    readonly store: S3rver.Store;
    run(): Promise<AddressInfo>;
  }

  namespace S3rver {
    interface Options {
      readonly address: string;
      readonly port: number;
      readonly directory: string;
      readonly silent: boolean;
      readonly allowMismatchedSignatures: boolean;
      readonly vhostBuckets: boolean;
    }

    interface Store {
      getResourcePath(bucket: string, key: string, resource: 'object' | 'object.md5' | 'metadata.json'): string;
      getObject(bucket: string, key: string, range?: Range): Promise<unknown>;
      deleteObject(bucket: string, key: string): Promise<void>;
    }

    /** Bytes, both ends included. */
    interface Range {
      readonly start?: number;
      readonly end?: number | string;
    }
  }

  export = S3rver;
}
