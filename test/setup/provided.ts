/**
 * The types of what test/setup/global.ts provides to every test file (`inject('s3')` and so on).
 * It stands alone because the set-up runs in another process than the tests and shares nothing else with them.
 */
import type { RedisKind } from '../kit/servers/redis.ts';
import type { S3Access, S3Kind } from '../kit/servers/s3.ts';

/** `given`: a server that was named in the environment; nothing is known about it. */
export type TestRedisKind = RedisKind | 'given';

export interface TestS3 extends S3Access {
  /** What it can and cannot do: see test/kit/servers/s3.ts. */
  readonly kind: S3Kind | 'given';
  /** Where the contract runs, of a server that was given; else each file makes its own. */
  readonly bucket?: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly redisUrl: string;
    readonly redisKind: TestRedisKind;
    readonly s3: TestS3;
  }
}
