/**
 * The index of a large inode against a plain reading of its lists, which shares no code with it; and that a pass over
 * many parts of one inode reads its lists once and finds what parts by themselves would find.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { objectName } from '../../src/format.ts';
import { type InodePart, PartExaminer } from '../../src/gc/examine.ts';
import { ReferencedIndex } from '../../src/gc/referenced-index.ts';
import type { S3ChunkInfo } from '../../src/model.ts';
import type { ListedObject } from '../../src/objects/port.ts';
import { ledgerMs } from '../../src/time.ts';
import { MemoryObjectStores } from '../objects/memory-store.ts';
import { Boundary } from '../sim/boundary.ts';
import { MemoryMetadata, MetadataState } from '../sim/memory-metadata.ts';
import { FILESYSTEM } from '../sim/world.ts';

const key = { fsId: 1, inodeId: 5n };
const CHUNKS = 3;

const version = fc
  .record({
    chunkId: fc.bigInt({ min: 0n, max: 40n }).map((n) => (n > 35n ? n + 2n ** 63n : n)),
    compaction: fc.constantFrom(0n, 4096n, 2n ** 64n - 1n),
    chunk: fc.nat(CHUNKS - 1),
    from: fc.nat(63),
    bytes: fc.integer({ min: 1, max: 64 }),
    zero: fc.boolean(),
  })
  .map(({ chunk, from, bytes, ...rest }): S3ChunkInfo & { readonly chunk: number } => {
    const len = Math.min(bytes, 64 - from);
    return { ...rest, chunk, offset: 64 * chunk + from, len, size: len };
  });

/** Byte by byte. */
function neededByName(versions: readonly S3ChunkInfo[]): Map<string, number> {
  const needed = new Map<string, number>();
  for (const { zero, offset, len, chunkId, compaction } of versions) {
    if (zero) continue;
    const own = new Map<number, number>();
    for (let at = offset; at < offset + len; at++) {
      const block = Math.floor((at % 64) / 16);
      own.set(block, (own.get(block) ?? 0) + 1);
    }
    for (const [block, bytes] of own) {
      const name = `1_5_${chunkId}_${block}_${compaction}`;
      needed.set(name, Math.max(bytes, needed.get(name) ?? 0));
    }
  }
  return needed;
}

describe('ReferencedIndex', () => {
  it('does not take an object as seen before it is sealed', () => {
    const index = new ReferencedIndex(FILESYSTEM);
    const versions = Array.from({ length: 9 }, (_, n) => ({
      chunkId: BigInt(n),
      compaction: 0n,
      zero: false,
      offset: 0,
      len: 64,
      size: 64,
    }));
    expect(index.add(versions)).toBe(true);
    // The 33rd bit: in the second word, which is not there yet.
    expect(() => index.see({ chunkId: 8n, compaction: 0n, blockIndex: 0 })).toThrow('outside its row');
  });

  it('knows what is referenced, how many bytes it needs, and what was not seen', () => {
    const seen = fc.array(fc.tuple(fc.nat(40), fc.nat(3), fc.constantFrom(0n, 4096n)), { maxLength: 60 });
    fc.assert(
      fc.property(fc.array(version, { maxLength: 80 }), seen, (versions, looked) => {
        const index = new ReferencedIndex(FILESYSTEM);
        for (const one of versions) expect(index.add([one])).toBe(true);
        index.seal();
        const needed = neededByName(versions);
        const left = new Map(needed);
        for (const [chunkId, blockIndex, compaction] of looked) {
          const object = { chunkId: BigInt(chunkId), blockIndex, compaction };
          const name = objectName(key, object, 0);
          expect(index.see(object)).toBe(needed.get(name));
          left.delete(name);
        }
        const unseen = new Map<string, number>();
        for (const { name, neededBytes } of index.unseen(key)) {
          unseen.set(name, Math.max(neededBytes, unseen.get(name) ?? 0));
        }
        expect(unseen).toEqual(left);
      }),
    );
  });

  it('grows', () => {
    const index = new ReferencedIndex(FILESYSTEM);
    const one = (n: number): S3ChunkInfo => ({
      chunkId: BigInt(n),
      compaction: 0n,
      offset: 0,
      len: 64,
      size: 64,
      zero: false,
    });
    for (let n = 0; n < 5_000; n++) index.add([one(n)]);
    index.seal();
    for (let n = 0; n < 5_000; n += 2)
      expect(index.see({ chunkId: BigInt(n), compaction: 0n, blockIndex: 3 })).toBe(16);
    expect(index.see({ chunkId: 5_000n, compaction: 0n, blockIndex: 0 })).toBeUndefined();
    expect([...index.unseen(key)]).toHaveLength(5_000 * 4 - 2_500);
  });
});

describe('PartExaminer', () => {
  it('finds over the parts of an inode what one look at all of it finds, and reads the lists once', async () => {
    const drawn = fc.record({
      versions: fc.array(version, { maxLength: 40 }),
      missing: fc.array(fc.nat(60)),
      short: fc.array(fc.nat(60)),
      orphans: fc.array(fc.tuple(fc.nat(60), fc.nat(3))),
      cuts: fc.array(fc.nat(100), { maxLength: 4 }),
      skipped: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(drawn, async ({ versions, missing, short, orphans, cuts, skipped }) => {
        const state = new MetadataState();
        state.filesystems.set(1, FILESYSTEM);
        state.put({ key, length: 64 * CHUNKS, nlink: 1, mtimeMs: 0, type: 's3' });
        for (const { chunk, ...one } of versions) {
          const list = state.at(key)?.lists.get(chunk) ?? [];
          state.at(key)?.lists.set(chunk, [...list, one]);
        }
        const needed = neededByName(versions);
        const names = [...needed.keys()];
        const stores = new MemoryObjectStores();
        stores.bucket('b');
        for (const [n, name] of names.entries()) {
          if (missing.includes(n)) continue;
          stores.write('b', name, Buffer.alloc((needed.get(name) ?? 0) - (short.includes(n) ? 1 : 0)));
        }
        for (const [chunkId, block] of orphans) stores.write('b', `1_5_${chunkId}_${block}_7`, Buffer.alloc(1));
        const objects: ListedObject[] = [...stores.bucket('b')]
          .map(([name, { bytes }]) => ({ name, bytes: bytes.length, modifiedMs: 0 }))
          .sort((a, b) => (a.name < b.name ? -1 : 1));
        let reads = 0;
        const boundary = new Boundary(undefined, (name) => {
          if (name === 'metadata.readChunk') reads++;
        });
        const metadata = new MemoryMetadata(state, boundary);
        const examine = async (parts: readonly InodePart[]) => {
          const examiner = new PartExaminer({
            metadata,
            filesystem: FILESYSTEM,
            objects: stores.forFilesystem({ bucket: 'b' }),
            nowMs: async () => ledgerMs(1),
          });
          const found = { referenced: [] as string[], unreferenced: [] as string[], faults: [] as string[] };
          for (const part of parts) {
            const { referenced, unreferenced, faults } = await examiner.examine(part);
            found.referenced.push(...referenced.map(({ name }) => name));
            found.unreferenced.push(...unreferenced.map(({ name }) => name));
            found.faults.push(...faults.map(({ object, reason }) => `${object} ${reason}`));
          }
          found.faults.sort();
          return found;
        };
        const places = [...new Set(cuts.map((cut) => cut % (objects.length + 1)))].sort((a, b) => a - b);
        const parts: InodePart[] = [];
        for (const [n, from] of [0, ...places.filter((place) => place > 0 && place < objects.length)].entries()) {
          const until = places.filter((place) => place > 0 && place < objects.length)[n];
          const [after, last] = [objects[from - 1]?.name, until === undefined ? undefined : objects[until - 1]?.name];
          parts.push({
            key,
            objects: objects.slice(from, until),
            ...(after === undefined ? {} : { after }),
            ...(last === undefined ? {} : { until: last }),
          });
        }
        // A pass that goes on behind the first part of the inode tells of that nothing.
        const begun = skipped && parts.length > 1 ? parts.slice(1) : parts;
        const from = begun[0]?.after;
        const whole: InodePart = {
          key,
          objects: begun.flatMap((part) => part.objects),
          ...(from === undefined ? {} : { after: from }),
        };
        const expected = await examine([whole]);
        reads = 0;
        expect(await examine(begun)).toEqual(expected);
        const lists = state.at(key)?.lists.size ?? 0;
        // Once for all parts, and once more where something is not there: a reader may ask for it.
        const isWhole = names.every((_, n) => !missing.includes(n) && !short.includes(n));
        if (isWhole) expect(expected.faults).toEqual([]);
        if (isWhole) expect(reads).toBe(lists);
      }),
      { numRuns: 200 },
    );
  });
});
