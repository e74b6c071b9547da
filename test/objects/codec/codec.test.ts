/**
 * The forms in which JuiceFS stores a block, judged by decoders that share no code with them where there are any (Node's own
 * zstd, an LZ4 decoder written out here); the real program judges in test/e2e/juicefs-coded. Whatever a body is, nothing but its
 * own block or `object-damaged` comes of it.
 */
import { randomBytes } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompactError } from '../../../src/errors.ts';
import { blockCodec } from '../../../src/objects/codec/index.ts';
import type { BlockCodec } from '../../../src/objects/port.ts';

/** Data in which there is something to find: bytes that repeat, alone or as runs from before, among random ones. */
const blocks = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.record({ byte: fc.nat(255), times: fc.integer({ min: 1, max: 700 }) }),
      fc.record({ back: fc.integer({ min: 1, max: 70_000 }), length: fc.integer({ min: 1, max: 400 }) }),
    ),
    { minLength: 1, maxLength: 60 },
  )
  .map((parts) => {
    const bytes: number[] = [];
    for (const part of parts) {
      if (part instanceof Uint8Array) bytes.push(...part);
      else if ('byte' in part) for (let n = 0; n < part.times; n++) bytes.push(part.byte);
      else for (let n = 0; n < part.length; n++) bytes.push(bytes.at(-Math.min(part.back, bytes.length)) ?? 0);
    }
    return Buffer.from(bytes);
  });

function codec(compression: string): BlockCodec {
  const found = blockCodec(compression);
  if (found === undefined) throw new Error(`no codec for ${compression}`);
  return found;
}

/** What comes of a body that is said to be of so many bytes: the block, or the code of the failure. */
async function decoded(of: BlockCodec, body: Uint8Array, bytes: number): Promise<Buffer | string> {
  // What lies around it must stay as it is.
  const room = Buffer.alloc(bytes + 16, 0xaa);
  const block = room.subarray(8, 8 + bytes);
  const failure = await of.decode(Buffer.from(body), block).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect([room.subarray(0, 8), room.subarray(8 + bytes)].every((part) => part.every((byte) => byte === 0xaa))).toBe(
    true,
  );
  if (failure === undefined) return block;
  if (!(failure instanceof CompactError)) throw failure;
  expect(failure.kind).toBe('halt');
  return failure.code;
}

/** LZ4's block format in its plainest form: one byte after the other. `strict`: with what the format asks of encoders. */
function plainLz4(body: Uint8Array, strict = false): Buffer {
  const out: number[] = [];
  let lastMatch = Number.NEGATIVE_INFINITY;
  let at = 0;
  const next = (): number => {
    const byte = body[at++];
    if (byte === undefined) throw new Error('the body ends too early');
    return byte;
  };
  const count = (begin: number): number => {
    if (begin < 15) return begin;
    let sum = begin;
    for (;;) {
      const byte = next();
      sum += byte;
      if (byte < 255) return sum;
    }
  };
  for (;;) {
    const token = next();
    const literals = count(token >> 4);
    for (let n = 0; n < literals; n++) out.push(next());
    if (at === body.length) {
      if (strict && lastMatch >= 0) expect([literals >= 5, out.length - lastMatch >= 12]).toEqual([true, true]);
      return Buffer.from(out);
    }
    lastMatch = out.length;
    const back = next() + 256 * next();
    for (let n = count(token & 15) + 4; n > 0; n--) {
      const byte = out.at(-back);
      if (back === 0 || byte === undefined) throw new Error('it copies from nowhere');
      out.push(byte);
    }
  }
}

describe.each(['lz4', 'zstd'])('%s', (compression) => {
  const of = codec(compression);

  it('gives back every block, in a body no longer than it says', async () => {
    const property = fc.asyncProperty(blocks, async (block) => {
      const body = await of.encode(block);
      expect(body.length).toBeLessThanOrEqual(of.bodyBytesMax(block.length));
      expect(await decoded(of, body, block.length)).toEqual(block);
      expect(compression === 'lz4' ? plainLz4(body, true) : zstdDecompressSync(body)).toEqual(block);
    });
    await fc.assert(property, { numRuns: 150 });
  });

  it.each([1, 4, 5, 12, 13, 20, 255, 270, 65_536, 1 << 20])(
    'holds %i bytes that do not shrink, or do',
    async (bytes) => {
      for (const block of [randomBytes(bytes), Buffer.alloc(bytes), Buffer.alloc(bytes, 'abcdefg')]) {
        const body = await of.encode(block);
        expect(body.length).toBeLessThanOrEqual(of.bodyBytesMax(bytes));
        expect((await decoded(of, body, bytes)) as Buffer).toEqual(block);
      }
    },
  );

  it('shrinks what repeats', async () => {
    const block = Buffer.alloc(1 << 20, 'the same words again and again; ');
    expect((await of.encode(block)).length).toBeLessThan(block.length / 50);
  });

  it('calls damaged whatever is cut off, too long, of another length, or nothing', async () => {
    const block = Buffer.concat([Buffer.alloc(3_000, 'words; '), randomBytes(500), Buffer.alloc(2_000, 7)]);
    const body = await of.encode(block);
    for (let bytes = 0; bytes < body.length; bytes += 1 + (bytes >> 5))
      expect(await decoded(of, body.subarray(0, bytes), block.length), `cut at ${bytes}`).toBe('object-damaged');
    for (const bytes of [1, block.length - 1, block.length + 1, 2 * block.length])
      expect(await decoded(of, body, bytes), `for ${bytes}`).toBe('object-damaged');
    for (const more of [Buffer.of(0), Buffer.from('words'), body, randomBytes(1_000)])
      expect(await decoded(of, Buffer.concat([body, more]), block.length)).toBe('object-damaged');
  });

  it('makes of a damaged body nothing but a block or damage', async () => {
    const byte = fc.record({ at: fc.nat(), value: fc.nat(255) });
    const property = fc.asyncProperty(blocks, fc.array(byte, { minLength: 1, maxLength: 4 }), async (block, damage) => {
      const body = Buffer.from(await of.encode(block));
      for (const { at, value } of damage) body[at % body.length] = value;
      const found = await decoded(of, body, block.length);
      if (typeof found === 'string') expect(found).toBe('object-damaged');
      // Neither has a sum over its bytes, so some damage cannot be seen here; but both must read the same.
      else expect(found).toEqual(compression === 'lz4' ? plainLz4(body) : zstdDecompressSync(body));
    });
    await fc.assert(property, { numRuns: 300 });
  });

  it('makes of random bytes nothing but a block or damage', async () => {
    const property = fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(500), async (body, bytes) => {
      const found = await decoded(of, body, bytes + 1);
      if (typeof found === 'string') expect(found).toBe('object-damaged');
      else expect(found.length).toBe(bytes + 1);
    });
    await fc.assert(property, { numRuns: 300 });
  });
});

describe('lz4', () => {
  it.each([
    ['copies from before the begin', [0x10, 0x41, 2, 0, 0x50, 1, 2, 3, 4, 5], 10],
    ['copies what is not written yet', [0x10, 0x41, 0, 0, 0x50, 1, 2, 3, 4, 5], 10],
    ['copies beyond the end', [0x1f, 0x41, 1, 0, 255, 255, 0, 0x50, 1, 2, 3, 4, 5], 100],
    ['has more literals than bytes', [0xf0, 255, 255, 255, 0, 1, 2, 3], 1_000],
    ['has more literals than the block', [0x50, 1, 2, 3, 4, 5], 3],
    ['ends in a count', [0xf0, 255], 300],
    ['ends in a distance', [0x10, 0x41, 1], 10],
    ['ends with a copy', [0x10, 0x41, 1, 0], 5],
  ])('a body that %s is damaged', async (_, body, bytes) => {
    expect(await decoded(codec('lz4'), Buffer.from(body), bytes)).toBe('object-damaged');
  });

  it('reads what the format allows and its encoder never writes', async () => {
    // A copy that overlaps itself with each short distance, and one from 65,535 bytes back.
    for (const distance of [1, 2, 3, 4, 5, 7]) {
      const start = Buffer.from('abcdefgh').subarray(0, distance);
      const body = Buffer.concat([Buffer.of((distance << 4) | 15), start, Buffer.of(distance, 0, 10, 0)]);
      expect(await decoded(codec('lz4'), body, distance + 29)).toEqual(plainLz4(body));
    }
  });
});

describe('zstd', () => {
  it('says in its frame how long the block is: readers make room by that', async () => {
    for (const bytes of [1, 300, 70_000, 1 << 20]) {
      const body = Buffer.from(await codec('zstd').encode(Buffer.alloc(bytes, 'text')));
      const descriptor = body[4] ?? 0;
      const single = (descriptor & 32) !== 0;
      const at = 5 + (single ? 0 : 1);
      const size = [single ? body.readUInt8(at) : -1, body.readUInt16LE(at) + 256, body.readUInt32LE(at)][
        descriptor >> 6
      ];
      expect(size).toBe(bytes);
    }
  });

  it('a small body of very many bytes, or with a very wide window, is damaged and costs nothing', async () => {
    const many = zstdCompressSync(Buffer.alloc(64 << 20));
    expect(many.length).toBeLessThan(10_000);
    const before = process.memoryUsage().arrayBuffers;
    expect(await decoded(codec('zstd'), many, 1_000)).toBe('object-damaged');
    // Magic, no length and a window of 1 GiB, one raw block of a byte.
    const wide = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x09, 0, 0, 0x41);
    expect(await decoded(codec('zstd'), wide, 1)).toBe('object-damaged');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 << 20);
  });
});

it('none needs no codec', () => {
  expect(blockCodec('none')).toBeUndefined();
});
