/**
 * What the SDK knows and the fast path needs: where a bucket is, and by which region its requests are signed. The SDK is
 * asked to make a request and stopped before it sends it, so virtual hosts, access points, endpoints of the environment
 * and whatever comes later are its business. Where it would do something that the fast path cannot (another signature, a
 * session), the answer is `null` and the SDK is left to do it.
 */
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { SigningScope } from './fast-sign.ts';

export interface BucketAddress extends SigningScope {
  /** Without a path. */
  readonly origin: string;
  /** The Host header. */
  readonly host: string;
  /** What comes before an object's name, ending in a slash. */
  readonly prefix: string;
}

/** `AWS4-HMAC-SHA256 Credential=KEY/20261126/eu-west-1/s3/aws4_request, …` */
const AUTHORIZATION = /^AWS4-HMAC-SHA256 Credential=[^,]+\/\d{8}\/([^/,]+)\/([^/,]+)\/aws4_request,/;
/** What the SDK sends with a plain GET; anything else means something that the fast path would leave out. */
const PLAIN_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'user-agent',
  'amz-sdk-invocation-id',
  'amz-sdk-request',
  'x-amz-user-agent',
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-security-token',
  // Asks for a checksum beside the answer.
  'x-amz-checksum-mode',
]);
const PROBE_NAME = 'k';

interface SdkRequest {
  readonly protocol: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Sends nothing but what credentials may take. Throws what the SDK throws. */
export async function bucketAddress(sdk: S3Client, bucket: string): Promise<BucketAddress | null> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: PROBE_NAME });
  let made: SdkRequest | undefined;
  command.middlewareStack.add(
    () => async (args) => {
      made = args.request as SdkRequest;
      return { response: {}, output: { $metadata: {} } };
    },
    // Behind the signature.
    { step: 'finalizeRequest', priority: 'low', name: 's3compactAddress' },
  );
  await sdk.send(command);
  return made === undefined ? null : addressOf(made);
}

function addressOf({ protocol, path, headers }: SdkRequest): BucketAddress | null {
  const names = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const [, region, service] = AUTHORIZATION.exec(names.get('authorization') ?? '') ?? [];
  const host = names.get('host');
  const plain = [...names.keys()].every((name) => PLAIN_HEADERS.has(name)) && path.endsWith(`/${PROBE_NAME}`);
  if (region === undefined || service === undefined || host === undefined || !plain) return null;
  return { origin: `${protocol}//${host}`, host, region, service, prefix: path.slice(0, -PROBE_NAME.length) };
}
