/** merge: what it does when objects are missing, short, taken or cut off, and that it never leaves work behind. */
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import { type MergeOptions, writeMergedObjects } from '../../src/compact/merge.ts';
import { CompactError } from '../../src/errors.ts';
import type { Copy, MergeTask, SourceRead } from '../../src/model.ts';
import { withRetries } from '../../src/objects/retrying-store.ts';
import { Pace } from '../../src/pace/pace.ts';
import { MemoryObjectStores, storeFault } from '../objects/memory-store.ts';
import { VirtualClock } from '../pace/virtual-clock.ts';

const BUCKET = 'merge';

function world(objects: Readonly<Record<string, string>>) {
  const stores = new MemoryObjectStores();
  stores.bucket(BUCKET);
  for (const [name, text] of Object.entries(objects)) stores.write(BUCKET, name, Buffer.from(text));
  const options: MergeOptions = {
    objects: stores.forFilesystem({ bucket: BUCKET }),
    memory: new MemoryBudget(1 << 20),
    nameOf: (source) => `object-${source.chunkId}`,
    blocksInFlight: 4,
    getsInFlight: 4,
    beforePut: () => undefined,
  };
  return { stores, options, text: (name: string) => stores.bucket(BUCKET).get(name)?.bytes };
}

function read(chunkId: bigint, offset: number, copies: readonly Copy[]): SourceRead {
  const len = Math.max(...copies.map((copy) => copy.from + copy.len));
  return { source: { chunkId, compaction: 0n, blockIndex: 0 }, offset, len, copies };
}

function task(name: string, end: number, reads: readonly SourceRead[]): MergeTask {
  return { name, block: { blockIndex: 0, begin: 0, end, reads } };
}

async function failure(run: Promise<unknown>): Promise<CompactError> {
  const error = await run.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CompactError);
  return error as CompactError;
}

describe('writeMergedObjects', () => {
  it('puts every piece in its place and fills holes with zeros', async () => {
    const { options, text } = world({ 'object-1': 'ABCDEFGH', 'object-2': 'xyz' });
    const scattered = read(1n, 1, [
      { from: 0, to: 0, len: 2 },
      { from: 4, to: 6, len: 2 },
    ]);
    await writeMergedObjects([task('out', 10, [scattered, read(2n, 0, [{ from: 0, to: 2, len: 3 }])])], options);
    expect(Buffer.from(text('out') ?? []).toString()).toBe('BCxyz\0FG\0\0');
  });

  it('a buffer that is used again shows nothing of what was in it, however the pieces lie', async () => {
    const pieces = fc.array(fc.record({ gap: fc.nat(3), len: fc.integer({ min: 1, max: 5 }) }), { minLength: 1 });
    const property = fc.asyncProperty(fc.array(pieces, { minLength: 1, maxLength: 5 }), async (blocks) => {
      const { options, text } = world({ 'object-1': 'x'.repeat(1_000) });
      for (const [n, block] of blocks.entries()) {
        const reads: SourceRead[] = [];
        let end = 0;
        let expected = '';
        for (const { gap, len } of block) {
          reads.push(read(1n, 0, [{ from: 0, to: end + gap, len }]));
          end += gap + len;
          expected += `${'\0'.repeat(gap)}${'x'.repeat(len)}`;
        }
        await writeMergedObjects([task(`out-${n}`, end, reads.toReversed())], options);
        expect(Buffer.from(text(`out-${n}`) ?? []).toString()).toBe(expected);
      }
    });
    await fc.assert(property, { numRuns: 50 });
  });

  it.each(['object-missing', 'object-short'] as const)('%s is told and writes nothing', async (code) => {
    const { options, stores } = world(code === 'object-short' ? { 'object-1': 'AB' } : {});
    const error = await failure(
      writeMergedObjects([task('out', 4, [read(1n, 0, [{ from: 0, to: 0, len: 4 }])])], options),
    );
    expect(error).toMatchObject({ code, kind: 'retry' });
    expect([...stores.bucket(BUCKET).keys()]).not.toContain('out');
  });

  it('I3: a taken name with the same bytes is the own earlier PUT', async () => {
    const { options, stores, text } = world({ 'object-1': 'ABCD' });
    const body = Buffer.from('ABCD');
    stores.bucket(BUCKET).set('out', { bytes: body, crc32: crc32(body) });
    await writeMergedObjects([task('out', 4, [read(1n, 0, [{ from: 0, to: 0, len: 4 }])])], options);
    expect(Buffer.from(text('out') ?? []).toString()).toBe('ABCD');
  });

  it.each(['ABCX', 'ABC'])('I3: a taken name with other content (%s) halts', async (other) => {
    const { options, stores } = world({ 'object-1': 'ABCD' });
    const body = Buffer.from(other);
    stores.bucket(BUCKET).set('out', { bytes: body, crc32: crc32(body) });
    const error = await failure(
      writeMergedObjects([task('out', 4, [read(1n, 0, [{ from: 0, to: 0, len: 4 }])])], options),
    );
    expect(error).toMatchObject({ code: 'object-collision', kind: 'halt' });
  });

  it('I3: a taken name of which the store tells no checksum is read back: the own bytes are the own PUT, in any number of pieces', async () => {
    const long = 'abcdefg'.repeat(80_000);
    for (const content of ['ABCD', long]) {
      const { options, stores } = world({ 'object-1': content });
      stores.write(BUCKET, 'out', Buffer.from(content));
      const reads = [read(1n, 0, [{ from: 0, to: 0, len: content.length }])];
      await expect(writeMergedObjects([task('out', content.length, reads)], options)).resolves.toEqual(
        new Map([['out', content.length]]),
      );
    }
  });

  it.each(['ABCX', 'XBCD'])('I3: a taken name that tells no checksum and reads %s halts', async (other) => {
    const { options, stores } = world({ 'object-1': 'ABCD' });
    stores.write(BUCKET, 'out', Buffer.from(other));
    const run = writeMergedObjects([task('out', 4, [read(1n, 0, [{ from: 0, to: 0, len: 4 }])])], options);
    expect(await failure(run)).toMatchObject({ code: 'object-collision', kind: 'halt' });
  });

  it('I3: a taken name that cannot be read back is no collision', async () => {
    const { options, stores } = world({ 'object-1': 'ABCD' });
    stores.write(BUCKET, 'out', Buffer.from('ABCD'));
    stores.before = ({ op, names }) => {
      if (op === 'get' && names[0] === 'out') throw storeFault('store-unavailable');
    };
    const run = writeMergedObjects([task('out', 4, [read(1n, 0, [{ from: 0, to: 0, len: 4 }])])], options);
    expect(await failure(run)).toMatchObject({ code: 'store-unavailable', kind: 'retry' });
  });

  it('I3: a taken name is reported before what failed earlier', async () => {
    const { options, stores } = world({ 'object-1': 'ABCD', 'object-2': 'EFGH' });
    const body = Buffer.from('of others');
    stores.bucket(BUCKET).set('out-2', { bytes: body, crc32: crc32(body) });
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    stores.before = async ({ op, names: [name] }) => {
      if (op !== 'get' || name !== 'object-1') return;
      await answered;
      throw storeFault('store-unavailable');
    };
    stores.after = async ({ op }) => {
      if (op !== 'head') return;
      answer();
      await new Promise(setImmediate);
    };
    const tasks = [1, 2].map((n) => task(`out-${n}`, 4, [read(BigInt(n), 0, [{ from: 0, to: 0, len: 4 }])]));
    expect(await failure(writeMergedObjects(tasks, options))).toMatchObject({ code: 'object-collision' });
  });

  it('I3: says which names are taken and not known to be its own', async () => {
    const { options, stores } = world({ 'object-1': 'ABCD' });
    for (const name of ['out-1', 'out-2']) stores.write(BUCKET, name, Buffer.from('ABCD'));
    stores.before = ({ op, names: [name] }) => {
      if (op === 'head' && name === 'out-2') throw storeFault('store-unavailable');
    };
    const taken = new Set<string>();
    const tasks = [1, 2, 3].map((n) => task(`out-${n}`, 4, [read(1n, 0, [{ from: 0, to: 0, len: 4 }])]));
    const run = writeMergedObjects(tasks, { ...options, blocksInFlight: 1, taken });
    expect(await failure(run)).toMatchObject({ code: 'store-unavailable', kind: 'retry' });
    expect([...taken]).toEqual(['out-2']);
  });

  it('asks for the lease before every PUT and stops when it is over', async () => {
    const { options, stores } = world({ 'object-1': 'ABCD' });
    let puts = 0;
    const over = new CompactError('over', { kind: 'retry', code: 'lease-expired' });
    const tasks = [1, 2, 3].map((n) => task(`out-${n}`, 4, [read(1n, 0, [{ from: 0, to: 0, len: 4 }])]));
    const run = writeMergedObjects(tasks, {
      ...options,
      blocksInFlight: 1,
      beforePut: () => {
        if (++puts > 1) throw over;
      },
    });
    expect(await failure(run)).toBe(over);
    expect([...stores.bucket(BUCKET).keys()].filter((name) => name.startsWith('out'))).toEqual(['out-1']);
  });

  const slow = read(1n, 0, [{ from: 0, to: 0, len: 4 }]);
  const bad = read(9n, 0, [{ from: 0, to: 4, len: 4 }]);
  it.each([
    ['another block', [task('slow', 4, [slow]), task('bad', 8, [bad])]],
    ['the same block', [task('out', 8, [slow, bad])]],
  ])('leaves no request running when a read of %s fails', async (_where, tasks) => {
    const { options, stores } = world({ 'object-1': 'ABCD' });
    const gate = Promise.withResolvers<void>();
    stores.before = async (call) => {
      if (call.names[0] === 'object-9') throw storeFault('access-denied');
      if (call.op === 'get') await gate.promise;
    };
    let ended = false;
    const run = failure(writeMergedObjects(tasks, options)).finally(() => {
      ended = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(false);
    gate.resolve();
    expect(await run).toMatchObject({ code: 'access-denied' });
    expect([...stores.bucket(BUCKET).keys()]).toEqual(['object-1']);
  });

  it('stops when cancelled', async () => {
    const { options } = world({ 'object-1': 'ABCD' });
    const run = writeMergedObjects([task('out', 4, [read(1n, 0, [{ from: 0, to: 0, len: 4 }])])], {
      ...options,
      signal: AbortSignal.abort(),
    });
    expect(await failure(run)).toMatchObject({ code: 'cancelled', kind: 'retry' });
  });
});

describe('writeMergedObjects within limits', () => {
  it('I8: memory for one block, one request at a time and a rate below one read: slow, and never stuck', async () => {
    const objects = Object.fromEntries(Array.from({ length: 24 }, (_, n) => [`object-${n}`, 'x'.repeat(3_000)]));
    const { stores, options } = world(objects);
    const clock = new VirtualClock();
    const pace = new Pace({
      clock,
      bytesPerSecond: 1_000,
      requestsPerSecond: 50,
      inFlight: { floor: 1, ceiling: 1 },
    });
    const paced = withRetries(stores.forFilesystem({ bucket: BUCKET }), { clock, pace });
    const tasks = Array.from({ length: 12 }, (_, n) =>
      task(
        `out-${n}`,
        6_000,
        [0, 1].map((part) => read(BigInt(2 * n + part), 0, [{ from: 0, to: 3_000 * part, len: 3_000 }])),
      ),
    );
    let done = 0;
    const runs = [tasks.slice(0, 6), tasks.slice(6)].map((half) =>
      writeMergedObjects(half, { ...options, objects: paced, memory: new MemoryBudget(6_000), onBlock: () => done++ }),
    );
    // 144,000 bytes read and written at 1,000 a second, less the first burst and the last request, which is not waited for.
    await clock.runUntil(130_000);
    expect(done).toBeLessThan(12);
    await clock.runUntil(160_000);
    await Promise.all(runs);
    expect(done).toBe(12);
  });

  it('a lease that ends while a PUT waits for its turn: nothing is sent', async () => {
    const { stores, options, text } = world({ 'object-0': 'x'.repeat(100) });
    const clock = new VirtualClock();
    const inFlight = { floor: 1, ceiling: 8 };
    const pace = new Pace({ clock, bytesPerSecond: 1_000, requestsPerSecond: 0, inFlight });
    const paced = withRetries(stores.forFilesystem({ bucket: BUCKET }), { clock, pace });
    const one = task('out', 100, [read(0n, 0, [{ from: 0, to: 0, len: 100 }])]);
    const beforePut = () => {
      if (Number(clock.monotonicMs()) > 5_000) throw storeFault('lease-expired');
    };
    stores.before = ({ op }) => {
      // Meanwhile others take what there is for 20 s.
      if (op === 'get') void pace.admit(20_000);
    };
    const merged = failure(writeMergedObjects([one], { ...options, objects: paced, beforePut }));
    await clock.runUntil(60_000);
    expect(await merged).toMatchObject({ code: 'lease-expired' });
    expect(text('out')).toBeUndefined();
  });
});
