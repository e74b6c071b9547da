/**
 * What a bucket is set to, as far as it concerns who deletes there: versioning, object lock, lifecycle rules.
 * It stands alone because only a diagnosis asks; no request of a run does. Many stores do not know the questions, and many
 * keys may not ask them: then the answer is `unknown`, never a failure and never "off".
 */
import {
  GetBucketLifecycleConfigurationCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  type LifecycleRule as SdkRule,
} from '@aws-sdk/client-s3';
import { CompactError } from '../../errors.ts';
import type { BucketSettings, LifecycleRule } from '../port.ts';
import type { S3Connection, SendRequest } from './connection.ts';
import { errorFacts } from './errors.ts';

/** The store's word for "it has none". */
const NO_RULES = 'NoSuchLifecycleConfiguration';
const NO_LOCK = 'ObjectLockConfigurationNotFoundError';

/** Three requests, one after the other. Throws only when the caller's signal aborts. */
export async function askBucketSettings(
  connection: S3Connection,
  bucket: string,
  signal?: AbortSignal,
): Promise<BucketSettings> {
  const Bucket = bucket;
  const ask = async <T>(send: SendRequest<T>, none?: readonly [name: string, value: T]): Promise<T | 'unknown'> => {
    try {
      return await connection.request({ doing: `Asking for the settings of bucket "${bucket}"`, bucket, signal }, send);
    } catch (thrown) {
      if (!(thrown instanceof CompactError) || thrown.code === 'cancelled') throw thrown;
      return none !== undefined && errorFacts(thrown.cause).name === none[0] ? none[1] : 'unknown';
    }
  };
  const versioning = await ask<BucketSettings['versioning']>(async (sdk, abortSignal) => {
    const { Status } = await sdk.send(new GetBucketVersioningCommand({ Bucket }), { abortSignal });
    if (Status === 'Enabled') return 'on';
    return Status === 'Suspended' ? 'suspended' : 'off';
  });
  const lock = await ask<BucketSettings['lock']>(
    async (sdk, abortSignal) => {
      const found = await sdk.send(new GetObjectLockConfigurationCommand({ Bucket }), { abortSignal });
      if (found.ObjectLockConfiguration?.ObjectLockEnabled !== 'Enabled') return 'off';
      return found.ObjectLockConfiguration.Rule?.DefaultRetention === undefined ? 'on' : 'retains';
    },
    [NO_LOCK, 'off'],
  );
  const lifecycle = await ask<readonly LifecycleRule[]>(
    async (sdk, abortSignal) => {
      const found = await sdk.send(new GetBucketLifecycleConfigurationCommand({ Bucket }), { abortSignal });
      return (found.Rules ?? []).filter(({ Status }) => Status === 'Enabled').map(ruleOf);
    },
    [NO_RULES, []],
  );
  return { versioning, lock, lifecycle };
}

function ruleOf(rule: SdkRule): LifecycleRule {
  const { Filter: filter, Expiration: expiration } = rule;
  const tags = filter?.And?.Tags ?? (filter?.Tag === undefined ? [] : [filter.Tag]);
  return {
    id: rule.ID ?? 'without a name',
    // The older form has it outside the filter.
    prefix: filter?.And?.Prefix ?? filter?.Prefix ?? rule.Prefix ?? '',
    tagged: tags.length > 0,
    // A rule may also be about nothing but left-over delete markers.
    expires: expiration?.Days !== undefined || expiration?.Date !== undefined,
    moves: (rule.Transitions ?? []).length > 0,
    expiresOldVersions: rule.NoncurrentVersionExpiration !== undefined,
  };
}
