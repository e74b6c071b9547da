/**
 * The record store against CurveFS's own unit tests and against what the facts say of each race (§2, §8): first and last
 * chunkId and the count decide, nothing else; all indexes or none; the counter counts requests.
 */
import { describe, expect, it } from 'vitest';
import { InodeTables, type Lists, NOT_FOUND, OK, STORAGE_INTERNAL_ERROR, type Version } from './records.ts';

const PLACE = { fsId: 1, inodeId: 42n };

function version(chunkId: number, compaction = 0): Version {
  return { chunkId: BigInt(chunkId), compaction: BigInt(compaction), offset: 0n, len: 1n, size: 1n, zero: false };
}

/** `G(a,b)` of CurveFS's tests: ids a to b. */
function ids(from: number, to: number): Version[] {
  return Array.from({ length: to - from + 1 }, (_, n) => version(from + n));
}

function lists(entries: Readonly<Record<number, readonly Version[]>>): Lists {
  return new Map(Object.entries(entries).map(([index, list]) => [BigInt(index), list]));
}

const NONE: Lists = new Map();

function tables(...added: readonly Lists[]): InodeTables {
  const made = new InodeTables();
  for (const add of added) expect(made.modify(PLACE, { add, remove: NONE })).toBe(OK);
  return made;
}

function idsOf(made: InodeTables, index = 1): number[] {
  return (made.lists(PLACE).get(BigInt(index)) ?? []).map(({ chunkId }) => Number(chunkId));
}

describe('inode_storage_test.cpp', () => {
  it('case 5: records come by first id, whatever the order of their coming', () => {
    const made = tables(
      lists({ 2: ids(200, 210) }),
      lists({ 1: ids(120, 130) }),
      lists({ 3: ids(300, 310) }),
      lists({ 1: ids(100, 110) }),
      lists({ 2: ids(220, 230) }),
    );
    expect([...made.lists(PLACE).keys()]).toEqual([1n, 2n, 3n]);
    expect(made.recordKeys(PLACE, 1n)).toEqual(['100..110 x 11', '120..130 x 11']);
    expect(made.recordKeys(PLACE, 2n)).toEqual(['200..210 x 11', '220..230 x 11']);
  });

  const three = () => tables(lists({ 1: ids(100, 199) }), lists({ 2: ids(200, 299) }), lists({ 3: ids(300, 399) }));

  it.each([
    [1, ids(100, 199).slice(0, 2)],
    [2, ids(250, 299)],
    [2, ids(250, 301)],
  ])('case 6: a range that cuts a record of index %i is refused, and changes nothing', (index, removed) => {
    const made = three();
    const before = made.lists(PLACE);
    const change = { add: lists({ [index]: [version(199)] }), remove: lists({ [index]: removed }) };
    expect(made.modify(PLACE, change)).toBe(STORAGE_INTERNAL_ERROR);
    expect(made.lists(PLACE)).toEqual(before);
    expect(made.counter(PLACE)).toBe(300);
  });

  it('case 8: a prefix of whole records is replaced', () => {
    const made = tables(
      lists({ 1: [...ids(100, 199)], 2: ids(1000, 1999), 3: ids(10000, 19999) }),
      lists({ 1: ids(200, 299), 2: ids(2000, 2999), 3: ids(20000, 29999) }),
    );
    const remove = lists({ 1: ids(100, 199), 2: ids(1000, 2999), 3: ids(10000, 19999) });
    const add = lists({ 1: [version(199)], 2: [version(2999)], 3: [version(19999)] });
    expect(made.modify(PLACE, { add, remove })).toBe(OK);
    expect(idsOf(made, 1)).toEqual([199, ...ids(200, 299).map(({ chunkId }) => Number(chunkId))]);
    expect(idsOf(made, 2)).toEqual([2999]);
    expect(idsOf(made, 3).slice(0, 2)).toEqual([19999, 20000]);
    expect(made.counter(PLACE)).toBe(1 + 100 + 1 + 1 + 10000);
  });
});

describe('facts §2', () => {
  it('one bad index takes all of them back', () => {
    const made = tables(lists({ 1: ids(1, 10), 2: ids(1, 10) }));
    const before = made.lists(PLACE);
    const change = { add: lists({ 1: [version(1, 1)] }), remove: lists({ 1: ids(1, 10), 2: ids(5, 6) }) };
    expect(made.modify(PLACE, change)).toBe(STORAGE_INTERNAL_ERROR);
    expect(made.lists(PLACE)).toEqual(before);
  });

  it('contents are never compared, and a range that holds nothing is no error', () => {
    const made = tables(...ids(1, 5).map((one) => lists({ 1: [one] })));
    const wrong = [version(1, 99), version(4, 99), version(3, 99)];
    expect(made.modify(PLACE, { add: lists({ 1: [version(1, 7)] }), remove: lists({ 1: wrong }) })).toBe(OK);
    expect(idsOf(made)).toEqual([1, 4, 5]);
    expect(made.modify(PLACE, { add: lists({ 2: [version(9)] }), remove: lists({ 2: ids(1, 3) }) })).toBe(OK);
    expect(idsOf(made, 2)).toEqual([9]);
  });

  it('the middle or the end of the records alone cannot be removed', () => {
    const made = tables(...ids(1, 10).map((one) => lists({ 1: [one] })));
    expect(made.modify(PLACE, { add: NONE, remove: lists({ 1: ids(6, 10) }) })).toBe(STORAGE_INTERNAL_ERROR);
    expect(made.modify(PLACE, { add: NONE, remove: lists({ 1: ids(1, 5) }) })).toBe(OK);
    expect(idsOf(made)).toEqual([6, 7, 8, 9, 10]);
  });

  it('a list of two writers: as read it is refused for ever, sorted by id it goes', () => {
    const made = tables(lists({ 1: [version(1), version(4)] }), lists({ 1: [version(2), version(3)] }));
    expect(idsOf(made)).toEqual([1, 4, 2, 3]);
    const asRead = made.lists(PLACE).get(1n) ?? [];
    const add = lists({ 1: [version(1, 7)] });
    expect(made.modify(PLACE, { add, remove: lists({ 1: asRead }) })).toBe(STORAGE_INTERNAL_ERROR);
    const sorted = asRead.toSorted((a, b) => Number(a.chunkId - b.chunkId));
    expect(made.modify(PLACE, { add, remove: lists({ 1: sorted }) })).toBe(OK);
    expect(idsOf(made)).toEqual([1]);
  });

  it('an append with a lower id between read and modify is gone in silence, one with a higher id stays', () => {
    const made = tables(...[1, 2, 9].map((id) => lists({ 1: [version(id)] })));
    const read = made.lists(PLACE);
    made.modify(PLACE, { add: lists({ 1: [version(5)] }), remove: NONE });
    made.modify(PLACE, { add: lists({ 1: [version(12)] }), remove: NONE });
    expect(made.modify(PLACE, { add: lists({ 1: [version(1, 7)] }), remove: read })).toBe(OK);
    expect(idsOf(made)).toEqual([1, 12]);
    expect(made.counter(PLACE)).toBe(3);
  });

  it('the same request twice: refused by the counter, or, with many others in the inode, done and drifted', () => {
    const alone = tables(lists({ 1: ids(1, 9) }));
    const twice = { add: lists({ 1: [version(1, 7)] }), remove: lists({ 1: ids(1, 9) }) };
    expect([alone.modify(PLACE, twice), alone.modify(PLACE, twice)]).toEqual([OK, STORAGE_INTERNAL_ERROR]);
    expect(idsOf(alone)).toEqual([1]);
    const many = tables(lists({ 1: ids(1, 9), 2: ids(1, 100) }));
    expect([many.modify(PLACE, twice), many.modify(PLACE, twice)]).toEqual([OK, OK]);
    expect(many.counter(PLACE)).toBe(101 - 8);
  });

  it('an append that is sent again has the key of its record, without the compaction', () => {
    const made = tables(...ids(1, 3).map((one) => lists({ 1: [one] })));
    made.modify(PLACE, { add: lists({ 1: [version(1, 7)] }), remove: lists({ 1: ids(1, 3) }) });
    made.modify(PLACE, { add: lists({ 1: [version(1)] }), remove: NONE });
    expect(made.lists(PLACE).get(1n)).toEqual([version(1)]);
  });

  it('GetOrModifyS3ChunkInfo asks for no inode, UpdateInode does; a deleted inode leaves its records', () => {
    const made = tables(lists({ 1: ids(1, 3) }));
    expect(made.update(PLACE, { length: 1n }, lists({ 1: ids(4, 4) }))).toBe(NOT_FOUND);
    const times = { mtime: 0n, mtimeNs: 0, ctime: 0n, ctimeNs: 0 };
    made.put(PLACE, { length: 0n, nlink: 1, type: 4, parent: [], ...times });
    expect(made.update(PLACE, { length: 9n }, lists({ 1: ids(4, 4) }))).toBe(OK);
    expect(made.inode(PLACE)?.length).toBe(9n);
    made.delete(PLACE);
    expect(idsOf(made)).toEqual([1, 2, 3, 4]);
  });
});
