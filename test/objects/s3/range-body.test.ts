/** The answer's body, streamed into the caller's memory: what only a stream of the test's own can show. */
import { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { readRange } from '../../../src/objects/s3/range-body.ts';
import { expectFailure, patternBytes } from '../contract.ts';

const context = { doing: 'Reading', bucket: 'bkt', where: 'host', timeoutMs: 1 };

function answerOf(body: Readable, contentRange: string): GetObjectCommandOutput {
  return {
    $metadata: { httpStatusCode: 206 },
    Body: body as NonNullable<GetObjectCommandOutput['Body']>,
    ContentRange: contentRange,
  };
}

test('after an abort the target is not touched, even by a body that goes on', async () => {
  const controller = new AbortController();
  const target = new Uint8Array(8);
  let atAbort: Uint8Array | undefined;
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1, 2);
    controller.abort();
    // The stream reads ahead, so how much was taken by now is its own business.
    atAbort = Uint8Array.from(target);
    yield Uint8Array.of(3, 4);
  };
  const body = Readable.from(chunks());
  const answer = answerOf(body, 'bytes 0-7/8');
  await expect(readRange(answer, { offset: 0, target, context, signal: controller.signal })).rejects.toThrow();
  expect(target).toEqual(atAbort);
  expect(body.destroyed).toBe(true);
});

test('an answer that is refused lets go of its body', async () => {
  const body = Readable.from([patternBytes(10)]);
  const target = new Uint8Array(4);
  const signal = new AbortController().signal;
  const reading = readRange(answerOf(body, 'bytes 1-4/10'), { offset: 0, target, context, signal });
  await expectFailure(reading, 'halt', 'store-refused');
  expect(body.destroyed).toBe(true);
});
