/** The header `Retry-After`, in both forms, and through classification to the error that the decorator keeps it by. */
import { describe, expect, it } from 'vitest';
import { classifyError, retryAfterMs } from '../../../src/objects/s3/errors.ts';
import { RefusedAnswer } from '../../../src/objects/s3/fast-refusal.ts';

const DATE = 'Thu, 26 Nov 2026 02:00:00 GMT';

describe('Retry-After', () => {
  it.each([
    ['0', undefined, 0],
    ['120', undefined, 120_000],
    [' 7 ', DATE, 7_000],
    ['Thu, 26 Nov 2026 02:00:05 GMT', DATE, 5_000],
    ['Thu, 26 Nov 2026 01:00:00 GMT', DATE, undefined],
    ['Thu, 26 Nov 2026 02:00:05 GMT', undefined, undefined],
    ['-3', DATE, undefined],
    ['soon', DATE, undefined],
    ['1e9', undefined, undefined],
    [undefined, DATE, undefined],
    [['1'], DATE, undefined],
  ])('%j with Date %j is %j ms', (value, date, ms) => {
    expect(retryAfterMs(value, date)).toBe(ms);
  });

  it('reaches the error, from the fast path and from the SDK', () => {
    const context = { doing: 'Reading', bucket: 'b', where: 'h', timeoutMs: 1 };
    const headers = { 'retry-after': '3', date: DATE };
    const fast = new RefusedAnswer('SlowDown', { status: 503, headers });
    const sdk = Object.assign(new Error('busy'), {
      name: 'SlowDown',
      $metadata: { httpStatusCode: 503 },
      $response: { headers },
    });
    for (const thrown of [fast, sdk])
      expect(classifyError(thrown, context)).toMatchObject({ code: 'store-unavailable', retryAfterMs: 3_000 });
    expect(classifyError(new RefusedAnswer('SlowDown', { status: 503 }), context).retryAfterMs).toBeUndefined();
  });
});
