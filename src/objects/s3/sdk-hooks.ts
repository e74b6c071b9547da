/**
 * Where the SDK is held to this adapter's rules: what it sends is edited before it is signed, and a 2xx answer is checked
 * before it is parsed, since its own parser takes any document, or none, for an empty result. It must decide nothing.
 */
import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { ANSWER_BYTES_MAX, type CheckedOperation, checkPromised, UnpromisedAnswer } from './answers.ts';
import { serverTimeMs } from './errors.ts';

/** GetObject is not among them: its body goes into the caller's memory (range-body.ts). */
const OPERATIONS: Readonly<Record<string, CheckedOperation>> = {
  PutObjectCommand: 'put',
  HeadObjectCommand: 'head',
  ListObjectsV2Command: 'list',
  DeleteObjectCommand: 'delete',
  DeleteObjectsCommand: 'delete-batch',
  GetBucketVersioningCommand: 'versioning',
  GetObjectLockConfigurationCommand: 'object-lock',
  GetBucketLifecycleConfigurationCommand: 'lifecycle',
};

interface SdkAnswer {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  body?: unknown;
}

export interface SdkRequest {
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/** Checks every 2xx answer to an operation whose answer is small, and lets the SDK correct its clock by every refusal. */
export function checkSdkAnswers(sdk: S3Client): void {
  sdk.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      const operation = OPERATIONS[context.commandName ?? ''];
      if (!isAnswer(result.response)) return result;
      if (operation !== undefined) await check(operation, result.response);
      dateNow(result.response);
      return result;
    },
    // Nearest to the wire.
    { step: 'deserialize', priority: 'low', name: 's3compactAnswers' },
  );
}

async function check(operation: CheckedOperation, answer: SdkAnswer): Promise<void> {
  const { statusCode: status, headers } = answer;
  if (status < 200 || status >= 300) return;
  const body = answer.body instanceof Readable ? await collected(answer.body, status) : Buffer.alloc(0);
  answer.body = body;
  checkPromised(operation, { status, headers, body: body.toString() });
}

/** The SDK does not correct its clock by an answer that says how old it is, and would send with the wrong time again and again. */
function dateNow({ statusCode, headers }: SdkAnswer): void {
  const serverMs = serverTimeMs(headers);
  if (statusCode < 400 || headers['age'] === undefined || Number.isNaN(serverMs)) return;
  headers['date'] = new Date(serverMs).toUTCString();
  delete headers['age'];
}

async function collected(body: Readable, status: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > ANSWER_BYTES_MAX) throw new UnpromisedAnswer(status, 'with a body that is too long');
      pieces.push(piece);
    }
  } finally {
    // A body that is not read to its end would hold its socket for ever.
    if (!body.readableEnded) body.destroy();
  }
  return Buffer.concat(pieces);
}

type Middleware = <Args extends { readonly request: unknown }, Result>(
  next: (args: Args) => Promise<Result>,
) => (args: Args) => Promise<Result>;

/** For a command's stack, with BEFORE_SIGNING: changes the headers of its request. */
export function editHeaders(edit: (request: SdkRequest) => void): Middleware {
  return (next) => (args) => {
    if (isRequest(args.request)) edit(args.request);
    return next(args);
  };
}

/** Behind what the SDK itself adds, checksums above all. */
export const BEFORE_SIGNING = { step: 'build', priority: 'low', name: 's3compactHeaders' } as const;

function isAnswer(response: unknown): response is SdkAnswer {
  return typeof response === 'object' && response !== null && 'statusCode' in response && 'headers' in response;
}

function isRequest(request: unknown): request is SdkRequest {
  return typeof request === 'object' && request !== null && 'headers' in request;
}
