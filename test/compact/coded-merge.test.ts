/** merge where blocks are compressed or encrypted: whole objects, buffers within the budget, sizes as they are in the store. */
import { expect, it } from 'vitest';
import { MemoryBudget } from '../../src/compact/memory-budget.ts';
import { type MergeOptions, writeMergedObjects } from '../../src/compact/merge.ts';
import { CompactError } from '../../src/errors.ts';
import type { MergeTask } from '../../src/model.ts';
import type { BlockCodec } from '../../src/objects/port.ts';
import { MemoryObjectStores } from '../objects/memory-store.ts';

const BUCKET = 'coded';
const KIB = 1024;
const MARK = Buffer.from('coded:');

/** A mark, and every bit turned. */
const codec: BlockCodec = {
  bodyBytesMax: (bytes) => bytes + MARK.length,
  encode: async (block) => Buffer.concat([MARK, block.map((byte) => byte ^ 255)]),
  decode: async (body, block) => {
    if (body.length !== block.length + MARK.length)
      throw new CompactError('its length is wrong', { kind: 'halt', code: 'object-damaged' });
    block.set(body.subarray(MARK.length).map((byte) => byte ^ 255));
  },
};

const pattern = (seed: number, bytes: number) => Buffer.alloc(bytes, `pattern ${seed}; `);

/** As many new blocks, each of two large objects and many small ones. */
async function world(blocks: number, budgetBytes: number) {
  const stores = new MemoryObjectStores();
  const memory = new MemoryBudget(budgetBytes);
  const tasks: MergeTask<string>[] = [];
  const expected = new Map<string, Buffer>();
  for (let n = 0; n < blocks; n++) {
    const sources = [500 * KIB, 300 * KIB, ...Array.from({ length: 40 }, () => 3 * KIB)];
    const block = Buffer.alloc(1024 * KIB);
    let to = 0;
    const reads: {
      source: string;
      offset: number;
      len: number;
      copies: { from: number; to: number; len: number }[];
    }[] = [];
    for (const [at, len] of sources.entries()) {
      const source = `source-${n}-${at}`;
      const content = pattern(n * 100 + at, len);
      stores.write(BUCKET, source, await codec.encode(content));
      // The begin and the end of it, the other way round.
      const half = len / 2;
      reads.push({
        source,
        offset: 0,
        len,
        copies: [
          { from: half, to, len: half },
          { from: 0, to: to + half, len: 100 },
        ],
      });
      content.copy(block, to, half);
      content.copy(block, to + half, 0, 100);
      to += half + 100;
    }
    tasks.push({ name: `merged-${n}`, block: { blockIndex: n, begin: 0, end: block.length, reads } });
    expected.set(`merged-${n}`, block);
  }
  let heldMax = 0;
  let readsMax = 0;
  let reads = 0;
  stores.before = ({ op }) => {
    heldMax = Math.max(heldMax, memory.heldBytes);
    if (op === 'get') readsMax = Math.max(readsMax, ++reads);
  };
  stores.after = ({ op }) => {
    if (op === 'get') reads--;
  };
  const options: MergeOptions<string> = {
    objects: stores.forFilesystem({ bucket: BUCKET }),
    memory,
    codec,
    nameOf: (source) => source,
    blocksInFlight: 6,
    getsInFlight: 16,
    beforePut: () => undefined,
  };
  const objects = () => stores.bucket(BUCKET);
  return { stores, objects, tasks, expected, options, seen: () => ({ heldMax, readsMax }) };
}

it('decodes what it reads and encodes what it writes, within the budget, and answers sizes as stored', async () => {
  const budget = 6 * 1024 * KIB;
  const { tasks, options, objects, expected, seen } = await world(8, budget);
  const stored = await writeMergedObjects(tasks, options);
  for (const [name, block] of expected) {
    const body = Buffer.from(objects().get(name)?.bytes ?? []);
    expect(body.subarray(0, MARK.length)).toEqual(MARK);
    const turned = body.subarray(MARK.length).map((byte) => byte ^ 255);
    expect(Buffer.compare(turned, block)).toBe(0);
    expect(stored.get(name)).toBe(block.length + MARK.length);
  }
  expect(seen().heldMax).toBeGreaterThan(1024 * KIB);
  expect(seen().heldMax).toBeLessThanOrEqual(budget);
  // Small objects are not read one after the other.
  expect(seen().readsMax).toBeGreaterThan(1);
});

it('damage is reported with the name of the object, and nothing is written', async () => {
  const { stores, tasks, options, objects } = await world(1, 1 << 26);
  stores.write(BUCKET, 'source-0-7', Buffer.from('of another length'));
  const failure = await writeMergedObjects(tasks, options).catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({ kind: 'halt', code: 'object-damaged' });
  expect(String(failure)).toContain('source-0-7');
  expect(objects().has('merged-0')).toBe(false);
});
