/**
 * What every ObjectStore must do, whatever is behind it: run by each implementation's test file. Facts that depend on
 * the server (whether it knows If-None-Match, and ranges of empty objects) are reported by the `features` of the bench.
 * It must use the port only; the bench looks at the bucket by other means.
 */
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CompactError, type ErrorCode, type ErrorKind } from '../../src/errors.ts';
import { DELETE_BATCH_MAX, type ListedObject, type ObjectPage, type ObjectStore } from '../../src/objects/port.ts';

/** A store on an empty bucket, and a look at the bucket that does not go through the store. */
export interface StoreBench {
  readonly store: ObjectStore;
  /** A store on a bucket that does not exist. */
  readonly bucketless: ObjectStore;
  readonly features: {
    /** The server answers 412 to a create of a name that is taken; otherwise it overwrites. */
    readonly ifNoneMatch: boolean;
    /** The server answers 416 to a range of an empty object; otherwise it announces a byte that never comes. */
    readonly emptyRange: boolean;
  };
  /** Writes without condition and without our checksum, as a client of the file system does. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  read(name: string): Promise<Uint8Array>;
  names(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Larger than a socket's buffers, so that a body comes in many pieces. */
const LARGE_BYTES = 5 * 2 ** 20 + 3;

/** The rejection of a call, which must be a CompactError. */
export async function failureOf(call: Promise<unknown>): Promise<CompactError> {
  const thrown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(CompactError);
  return thrown as CompactError;
}

/** Expects a CompactError of this kind and code, and returns it. */
export async function expectFailure(call: Promise<unknown>, kind: ErrorKind, code: ErrorCode): Promise<CompactError> {
  const failure = await failureOf(call);
  expect({ kind: failure.kind, code: failure.code, message: failure.message }).toMatchObject({ kind, code });
  return failure;
}

/** Bytes that differ at every place, so that a shifted range shows. */
export function patternBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    // Numerical Recipes' linear congruential generator: cheap, and its high byte has a long period.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A comparison that does not print megabytes. */
export function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect({ length: actual.length, equal: Buffer.compare(actual, expected) === 0 }).toEqual({
    length: expected.length,
    equal: true,
  });
}

/** Registers the suite for one implementation. */
export function objectStoreContract(name: string, makeBench: () => Promise<StoreBench>): void {
  describe(`ObjectStore contract: ${name}`, () => {
    let bench: StoreBench;
    beforeAll(async () => {
      bench = await makeBench();
    });
    afterAll(async () => {
      await bench?.close();
    });
    const current = (): StoreBench => bench;
    describeReads(current);
    describeWrites(current);
    describeLists(current);
    describeDeletes(current);
    describeEnds(current);
  });
}

function describeReads(bench: () => StoreBench): void {
  test('a read fills exactly the asked range, at any offset of the object and of the target', async () => {
    const { store, write } = bench();
    const content = patternBytes(1_000);
    await write('read/range', content);
    for (const [offset, length] of [
      [0, 1_000],
      [0, 1],
      [999, 1],
      [1, 998],
      [500, 17],
    ] as const) {
      const memory = new Uint8Array(length + 8).fill(0xee);
      await store.getRange('read/range', offset, memory.subarray(4, 4 + length));
      expectBytes(memory.subarray(4, 4 + length), content.subarray(offset, offset + length));
      expect([...memory.subarray(0, 4), ...memory.subarray(4 + length)]).toEqual(Array(8).fill(0xee));
    }
  });

  test('a read of nothing reads nothing', async () => {
    await expect(bench().store.getRange('read/no-such-object', 0, new Uint8Array(0))).resolves.toBeUndefined();
  });

  test('a large body arrives whole', async () => {
    const { store, write } = bench();
    const content = patternBytes(LARGE_BYTES);
    await write('read/large', content);
    const target = new Uint8Array(LARGE_BYTES - 1);
    await store.getRange('read/large', 1, target);
    expectBytes(target, content.subarray(1));
  });

  test('a range that is not wholly in the object is object-short, wherever it begins', async () => {
    const { store, write, features } = bench();
    await write('read/short', patternBytes(10));
    for (const [offset, length] of [
      [0, 11],
      [9, 2],
      [10, 1],
      [1_000, 1],
    ] as const) {
      await expectFailure(store.getRange('read/short', offset, new Uint8Array(length)), 'retry', 'object-short');
    }
    if (!features.emptyRange) return;
    await write('read/empty', new Uint8Array(0));
    await expectFailure(store.getRange('read/empty', 0, new Uint8Array(1)), 'retry', 'object-short');
  });

  test('a whole object is read without knowing its length, and one that is too long is damaged', async () => {
    const { store, write, bucketless } = bench();
    for (const length of [1, 1_000, LARGE_BYTES]) {
      const content = patternBytes(length);
      await write(`read/whole-${length}`, content);
      for (const room of [0, 1, 5_000]) {
        const memory = new Uint8Array(length + room + 8).fill(0xee);
        const target = memory.subarray(0, length + room);
        await expect(store.getWhole(`read/whole-${length}`, target)).resolves.toBe(length);
        expectBytes(memory.subarray(0, length), content);
        expect(memory.subarray(length).every((byte) => byte === 0xee)).toBe(true);
      }
      const small = new Uint8Array(length - 1);
      const failure = await expectFailure(store.getWhole(`read/whole-${length}`, small), 'halt', 'object-damaged');
      expect(failure.message).toContain(`read/whole-${length}`);
    }
    await expectFailure(store.getWhole('read/none', new Uint8Array(9)), 'retry', 'object-missing');
    await expectFailure(bucketless.getWhole('read/none', new Uint8Array(9)), 'halt', 'bucket-missing');
  });

  test('an object that was replaced by a longer one is read at the asked range', async () => {
    const { store, write } = bench();
    await write('read/replaced', patternBytes(16, 1));
    const longer = patternBytes(64, 2);
    await write('read/replaced', longer);
    const target = new Uint8Array(16);
    await store.getRange('read/replaced', 0, target);
    expectBytes(target, longer.subarray(0, 16));
  });

  test('a read of a missing object is object-missing, of a missing bucket bucket-missing', async () => {
    const { store, bucketless } = bench();
    const failure = await expectFailure(store.getRange('read/none', 0, new Uint8Array(1)), 'retry', 'object-missing');
    expect(failure.message).toContain('read/none');
    await expectFailure(bucketless.getRange('read/none', 0, new Uint8Array(1)), 'halt', 'bucket-missing');
  });
}

function describeWrites(bench: () => StoreBench): void {
  test('a put creates the object, and head tells its length and crc32', async () => {
    const { store, read } = bench();
    for (const length of [0, 1, 4_097, LARGE_BYTES]) {
      const body = patternBytes(length, length + 1);
      const name = `write/fresh-${length}`;
      await expect(store.putIfAbsent(name, body)).resolves.toBe('created');
      expectBytes(await read(name), body);
      await expect(store.head(name)).resolves.toEqual({ bytes: length, crc32: crc32(body) });
    }
  });

  test('a view into larger memory is written by itself', async () => {
    const { store, read } = bench();
    const memory = patternBytes(300);
    await store.putIfAbsent('write/view', memory.subarray(100, 200));
    expectBytes(await read('write/view'), memory.subarray(100, 200));
  });

  test('I3: a name that is taken is not written again, where the server knows the condition', async () => {
    const { store, read, features } = bench();
    const [first, second] = [patternBytes(20, 1), patternBytes(30, 2)];
    await expect(store.putIfAbsent('write/taken', first)).resolves.toBe('created');
    await expect(store.putIfAbsent('write/taken', second)).resolves.toBe(features.ifNoneMatch ? 'exists' : 'created');
    const kept = features.ifNoneMatch ? first : second;
    expectBytes(await read('write/taken'), kept);
    await expect(store.head('write/taken')).resolves.toEqual({ bytes: kept.length, crc32: crc32(kept) });
  });

  test('of concurrent puts of one name exactly one creates it, where the server knows the condition', async () => {
    const { store, read, features } = bench();
    const bodies = Array.from({ length: 8 }, (_, i) => patternBytes(64, i));
    const outcomes = await Promise.all(
      bodies.map((body) => store.putIfAbsent('write/raced', body).catch(() => 'failed')),
    );
    const content = Buffer.from(await read('write/raced'));
    expect(bodies.some((body) => content.equals(body))).toBe(true);
    if (!features.ifNoneMatch) return;
    const winner = bodies[outcomes.indexOf('created')];
    expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
    expectBytes(content, winner ?? new Uint8Array(0));
  });

  test('head tells no crc32 of an object that someone else wrote', async () => {
    const { store, write } = bench();
    await write('write/foreign', patternBytes(12));
    await expect(store.head('write/foreign')).resolves.toEqual({ bytes: 12 });
  });

  test('head is null for a missing object only, never for a missing bucket', async () => {
    const { store, bucketless } = bench();
    await expect(store.head('write/none')).resolves.toBeNull();
    await expectFailure(bucketless.head('write/none'), 'halt', 'bucket-missing');
  });

  test('a put into a missing bucket is bucket-missing', async () => {
    await expectFailure(bench().bucketless.putIfAbsent('write/none', new Uint8Array(1)), 'halt', 'bucket-missing');
  });

  test('names of all three prefix forms, and with slashes, are distinct objects', async () => {
    const { store, read } = bench();
    const names = ['2_1_3_0_0', '2/0/0/2_1_3_0_0', '2/1/0/2_1_3_0_0', 'a/b/c', 'a/d', 'a b+c%2Fd&e=f?g#h'];
    for (const [i, name] of names.entries())
      await expect(store.putIfAbsent(name, patternBytes(9, i))).resolves.toBe('created');
    for (const [i, name] of names.entries()) expectBytes(await read(name), patternBytes(9, i));
    await expect(store.delete(names)).resolves.toEqual([]);
    for (const name of names) await expect(store.head(name)).resolves.toBeNull();
  });
}

function describeLists(bench: () => StoreBench): void {
  test('a listing has every object once, by name, with size and time, page by page from any name on', async () => {
    const { store, write } = bench();
    const beganMs = Date.now();
    const names = Array.from({ length: 1_203 }, (_, n) => `list/${n}_${n % 7}_x`);
    await Promise.all(names.map((name, n) => write(name, patternBytes(n % 5))));
    const listed: ListedObject[] = [];
    let after: string | undefined = 'list/';
    for (let more = true; more; ) {
      const page: ObjectPage = await store.list(after);
      listed.push(...page.objects);
      after = page.objects.at(-1)?.name ?? after;
      more = page.more;
    }
    const own = listed.filter(({ name }) => name.startsWith('list/'));
    expect(own.map(({ name }) => name)).toEqual(names.toSorted());
    for (const { name, bytes, modifiedMs } of own) {
      expect(bytes).toBe(names.indexOf(name) % 5);
      // The second is all that some servers tell.
      expect(modifiedMs).toBeGreaterThan(beganMs - 2_000);
      expect(modifiedMs).toBeLessThan(Date.now() + 2_000);
    }
    const [first = '', second = ''] = names.toSorted();
    expect((await store.list(first)).objects[0]?.name).toBe(second);
    expect(await store.list('list0')).toMatchObject({ objects: expect.not.arrayContaining([{ name: first }]) });
  });

  test('a listing of a bucket that does not exist is a refusal', async () => {
    await expectFailure(bench().bucketless.list(), 'halt', 'bucket-missing');
  });
}

function describeDeletes(bench: () => StoreBench): void {
  test('a delete removes the given names and nothing else; a missing one counts as deleted', async () => {
    const { store, write, names } = bench();
    for (const name of ['delete/a', 'delete/b', 'delete/c']) await write(name, patternBytes(1));
    await expect(store.delete(['delete/a', 'delete/none', 'delete/c'])).resolves.toEqual([]);
    expect((await names()).filter((name) => name.startsWith('delete/'))).toEqual(['delete/b']);
    await expect(store.delete(['delete/a'])).resolves.toEqual([]);
  });

  test('an empty batch deletes nothing', async () => {
    const before = await bench().names();
    await expect(bench().store.delete([])).resolves.toEqual([]);
    expect(await bench().names()).toEqual(before);
  });

  test('a full batch is deleted in one call; one name more is refused before anything is deleted', async () => {
    const { store, write, names } = bench();
    const batch = Array.from({ length: DELETE_BATCH_MAX }, (_, i) => `full/${i}`);
    await Promise.all(batch.filter((_, i) => i % 10 === 0).map((name) => write(name, patternBytes(1))));
    await expect(store.delete([...batch, 'full/more'])).rejects.toThrow(RangeError);
    expect((await names()).filter((name) => name.startsWith('full/'))).toHaveLength(DELETE_BATCH_MAX / 10);
    await expect(store.delete(batch)).resolves.toEqual([]);
    expect((await names()).filter((name) => name.startsWith('full/'))).toEqual([]);
  });

  test('a delete in a missing bucket is bucket-missing', async () => {
    await expectFailure(bench().bucketless.delete(['delete/none']), 'halt', 'bucket-missing');
  });
}

function describeEnds(bench: () => StoreBench): void {
  test('a signal that is already aborted cancels every operation before it does anything', async () => {
    const { store, write, names } = bench();
    await write('end/there', patternBytes(4));
    const signal = AbortSignal.abort();
    const target = new Uint8Array(4);
    const calls: readonly Promise<unknown>[] = [
      store.getRange('end/there', 0, target, signal),
      store.putIfAbsent('end/new', patternBytes(4), signal),
      store.head('end/there', signal),
      store.delete(['end/there'], signal),
    ];
    await Promise.all(calls.map((call) => expectFailure(call, 'retry', 'cancelled')));
    expect([...target]).toEqual([0, 0, 0, 0]);
    expect((await names()).filter((name) => name.startsWith('end/'))).toEqual(['end/there']);
  });

  test('many operations at once do not mix up their bytes', async () => {
    const { store } = bench();
    const bodies = Array.from({ length: 100 }, (_, i) => patternBytes(100 + i, i));
    await Promise.all(bodies.map((body, i) => store.putIfAbsent(`many/${i}`, body)));
    const targets = bodies.map((body) => new Uint8Array(body.length - 7));
    await Promise.all(targets.map((target, i) => store.getRange(`many/${i}`, 7, target)));
    for (const [i, body] of bodies.entries()) expectBytes(targets[i] ?? new Uint8Array(0), body.subarray(7));
  });
}
