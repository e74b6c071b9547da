/** When a refusal is taken for one of everybody, and when it is over; time is the test's. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CompactError, type ErrorCode } from '../../src/errors.ts';
import { StoreRefusals } from '../../src/wiring/store-refusals.ts';
import { freeDelayMs } from '../../workers/outage-gate.ts';

let nowMs: number;
let refusals: StoreRefusals;

beforeEach(() => {
  nowMs = 1_000_000;
  refusals = new StoreRefusals(() => nowMs);
});

function error(code: ErrorCode, name = 'AccessDenied'): CompactError {
  return new CompactError(`the server answered ${name}`, {
    kind: 'halt',
    code,
    cause: Object.assign(new Error(name), { name }),
  });
}

const DENIED = error('access-denied');
const by = (inode: string, run: object = {}) => ({ run, inode });

describe('whether a store refuses everybody', () => {
  it('one run does not tell, however many of its requests are refused', () => {
    const run = {};
    for (let n = 0; n < 100; n++) refusals.refused('get', DENIED, by('1/1', run));
    expect(refusals.state()).toBe('none');
    expect(refusals.message()).toBeUndefined();
  });

  it('a second inode does, and the message is what the server said last', () => {
    refusals.refused('get', DENIED, by('1/1'));
    refusals.refused('get', error('access-denied', 'AllAccessDisabled'), by('1/2'));
    expect(refusals.state()).toBe('sure');
    expect(refusals.message()).toBe('the server answered AllAccessDisabled');
  });

  it('three runs of one inode may', () => {
    for (let n = 0; n < 3; n++) refusals.refused('put', error('store-refused', 'QuotaExceeded'), by('1/1'));
    expect(refusals.state()).toBe('maybe');
  });

  it.each(['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'ExpiredToken', 'CredentialsProviderError'])(
    '%s is never about an inode',
    (name) => {
      refusals.refused('get', error('access-denied', name), by('1/1'));
      expect(refusals.state()).toBe('sure');
    },
  );

  it('neither is a bucket that is missing', () => {
    refusals.refused('get', error('bucket-missing', 'NoSuchBucket'), by('1/1'));
    expect(refusals.state()).toBe('sure');
  });

  it('what is served in between takes it back, each kind by itself', () => {
    refusals.refused('put', DENIED, by('1/1'));
    refusals.served('put');
    refusals.refused('put', DENIED, by('1/2'));
    expect(refusals.state()).toBe('none');
    refusals.refused('put', DENIED, by('1/3'));
    refusals.served('get');
    expect(refusals.state()).toBe('sure');
    expect(refusals.state(['reads'])).toBe('none');
    refusals.served('put');
    expect(refusals.state()).toBe('none');
  });

  it('a refusal that is old says nothing', () => {
    refusals.refused('get', DENIED, by('1/1'));
    refusals.refused('get', DENIED, by('1/2'));
    nowMs += 60_000;
    expect(refusals.state()).toBe('none');
    refusals.refused('get', DENIED, by('1/3'));
    expect(refusals.state()).toBe('none');
  });

  it('what an object is, and that a store is away, is no refusal', () => {
    for (const code of ['object-missing', 'store-unavailable', 'lease-expired'] as const)
      for (const inode of ['1/1', '1/2', '1/3']) refusals.refused('get', error(code), by(inode));
    expect(refusals.state()).toBe('none');
  });
});

describe('free starts of a job whose run was refused', () => {
  const job = (attemptsStarted: number) => ({ attemptsStarted, attemptsMade: 0 });

  it.each([
    ['none', 5, 6],
    ['maybe', 100, 101],
    ['sure', 1_000_000, undefined],
  ] as const)('refusing %s: %d are free, not %d', (refusing, free, charged) => {
    expect(freeDelayMs(job(free), 'access-denied', refusing)).toBeGreaterThan(0);
    if (charged !== undefined) expect(freeDelayMs(job(charged), 'access-denied', refusing)).toBeNull();
  });

  it('what is about the inode is charged whatever the store refuses', () => {
    for (const code of ['object-missing', 'list-invalid', undefined])
      expect(freeDelayMs(job(1), code, 'sure')).toBeNull();
  });
});
