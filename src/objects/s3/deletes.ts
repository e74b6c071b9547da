/**
 * Deletes of many names: one DeleteObjects, by the SDK, and single deletes for what it does not account for and where the
 * server has none. A name counts as deleted only when the server says so, name by name: an answer that leaves one out has
 * not deleted it. It must hold no policy about which object to delete.
 */
import { createHash, getFips } from 'node:crypto';
import { DeleteObjectCommand, DeleteObjectsCommand, type DeleteObjectsCommandOutput } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { CompactError } from '../../errors.ts';
import type { DeleteFailure } from '../port.ts';
import type { S3Connection } from './connection.ts';
import { errorFacts, refusesForm } from './errors.ts';
import { BEFORE_SIGNING, editHeaders, type SdkRequest } from './sdk-hooks.ts';

/** Single deletes at a time: a quarter of the sockets, so that reads go on. */
const SINGLE_DELETES_MAX = 16;
/** What servers without DeleteObjects, or that want it in another form, answer to it. */
const REFUSED_BATCH: readonly number[] = [400, 405, 501];

interface BatchResult {
  readonly failures: readonly DeleteFailure[];
  /** Names that the answer does not speak of. */
  readonly missing: readonly string[];
}

/** Whoever waits for the answer. */
interface DeleteCaller {
  readonly signal: AbortSignal | undefined;
  /** Called right before each request; the delete fails with what it throws. */
  readonly before?: () => void;
}

export class S3Deletes {
  readonly #connection: S3Connection;
  readonly #bucket: string;

  constructor(connection: S3Connection, bucket: string) {
    this.#connection = connection;
    this.#bucket = bucket;
  }

  /** What could not be deleted; a missing object counts as deleted. */
  async delete(names: readonly string[], caller: DeleteCaller): Promise<readonly DeleteFailure[]> {
    const { capabilities } = this.#connection;
    if (!capabilities.has('multiDelete')) return this.singly(names, caller);
    const result = await this.#batchInForm(names, caller).catch((thrown: unknown) => {
      if (thrown instanceof CompactError && refusesForm(thrown, REFUSED_BATCH)) return null;
      throw thrown;
    });
    if (result !== null) return [...result.failures, ...(await this.singly(result.missing, caller))];
    const failures = await this.singly(names, caller);
    // Where single deletes do not succeed, it is not about batches.
    if (failures.length < names.length) capabilities.refuses('multiDelete');
    return failures;
  }

  /** With a checksum header where the server takes it, which older ones do not; then with Content-MD5 alone. */
  async #batchInForm(names: readonly string[], caller: DeleteCaller): Promise<BatchResult> {
    const { capabilities, sendsChecksums } = this.#connection;
    const send = async (checksum: boolean): Promise<BatchResult> => {
      const result = await this.#batch(names, checksum, caller);
      capabilities.accepts('multiDelete');
      if (checksum) capabilities.accepts('checksumHeaders');
      return result;
    };
    // One of the two must be there, and MD5 cannot be had under FIPS.
    const md5 = getFips() === 0;
    if (!sendsChecksums && md5) return send(false);
    try {
      return await send(true);
    } catch (thrown) {
      const isForm = thrown instanceof CompactError && refusesForm(thrown, REFUSED_BATCH);
      if (!isForm || !md5 || capabilities.isAccepted('checksumHeaders')) throw thrown;
      const result = await send(false);
      capabilities.refuses('checksumHeaders');
      return result;
    }
  }

  #batch(names: readonly string[], checksum: boolean, { signal, before }: DeleteCaller): Promise<BatchResult> {
    const doing = `Deleting ${names.length} objects ("${names[0] ?? ''}" first)`;
    return this.#connection.request({ doing, bucket: this.#bucket, signal }, async (sdk, abort) => {
      const command = new DeleteObjectsCommand({
        Bucket: this.#bucket,
        // Not quiet: every name is to be accounted for.
        Delete: { Objects: names.map((name) => ({ Key: name })) },
      });
      const setDigests = editHeaders((request) => addDigests(request, checksum));
      command.middlewareStack.add(setDigests, BEFORE_SIGNING);
      before?.();
      return accountOf(names, await sdk.send(command, { abortSignal: abort }));
    });
  }

  /** Each under its own time-out; the first failure of the whole store ends them all. */
  async singly(names: readonly string[], caller: DeleteCaller): Promise<readonly DeleteFailure[]> {
    const failures: DeleteFailure[] = [];
    let broken: unknown;
    await pLimit(SINGLE_DELETES_MAX).map(names, async (name) => {
      if (broken !== undefined) return;
      try {
        await this.#one(name, caller);
      } catch (thrown) {
        if (thrown instanceof CompactError && thrown.code === 'object-missing') return;
        const code = refusedName(thrown);
        if (code === undefined) broken ??= thrown;
        else failures.push({ name, code });
      }
    });
    if (broken !== undefined) throw broken;
    return failures;
  }

  #one(name: string, { signal, before }: DeleteCaller): Promise<void> {
    const doing = `Deleting object "${name}"`;
    return this.#connection.request({ doing, bucket: this.#bucket, signal }, async (sdk, abort) => {
      before?.();
      await sdk.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: name }), { abortSignal: abort });
    });
  }
}

/** The server's code where it refused this one name: a policy or a lock may protect single keys, as in a batch. */
function refusedName(thrown: unknown): string | undefined {
  if (!(thrown instanceof CompactError)) return undefined;
  const { name, status = 0 } = errorFacts(thrown.cause);
  if (name === 'AccessDenied') return name;
  return thrown.code === 'store-refused' && status >= 400 && status < 500 && refusesForm(thrown, [status])
    ? name
    : undefined;
}

function accountOf(names: readonly string[], answer: DeleteObjectsCommandOutput): BatchResult {
  const left = new Set(names);
  const failures: DeleteFailure[] = [];
  for (const { Key: name, Code: code = 'Unknown' } of answer.Errors ?? []) {
    if (name === undefined || !left.delete(name)) continue;
    // A name that was not there is deleted.
    if (code !== 'NoSuchKey') failures.push({ name, code });
  }
  for (const { Key: name } of answer.Deleted ?? []) if (name !== undefined) left.delete(name);
  return { failures, missing: [...left] };
}

/** S3 demands a checksum or Content-MD5; older servers (MinIO, Swift) want the latter whatever else there is. */
function addDigests({ headers, body }: SdkRequest, checksum: boolean): void {
  if (!checksum) {
    for (const name of Object.keys(headers)) if (CHECKSUM_HEADER.test(name)) delete headers[name];
  }
  if (getFips() !== 0) return;
  const bytes = typeof body === 'string' || body instanceof Uint8Array ? body : '';
  headers['content-md5'] = createHash('md5').update(bytes).digest('base64');
}

const CHECKSUM_HEADER = /^x-amz-(?:checksum-|sdk-checksum-algorithm$)/i;
