/**
 * A wrong index must end a plan. It used to read as offset 0 or as version 0, so as bytes of another place.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { keptVersions } from '../../src/plan/keep.ts';
import { RangeTable } from '../../src/plan/valid-ranges.ts';

const PLAN = new URL('../../src/plan/', import.meta.url);
const INDEX = new URL('../../src/gc/referenced-index.ts', import.meta.url);

describe('an index outside its row', () => {
  it('ends the reading of a range table', () => {
    const table = new RangeTable(1);
    table.push(4, 8, 0);
    expect(table.slice()).toEqual([{ begin: 4, end: 8, version: 0 }]);
    expect(() => table.slice(0, 2)).toThrow(RangeError);
  });

  it('ends the keeping of a version that the list does not have', () => {
    const data = [{ begin: 0, end: 4, version: 1 }];
    expect(() => keptVersions([], [{ begin: 0, data, zeros: [] }])).toThrow(RangeError);
  });

  it('has no other meaning anywhere in the planner and the index', () => {
    const sources = readdirSync(PLAN).map((name) => new URL(name, PLAN));
    const excuse = /\] \?\? (0|1|-1)n?\b|\]\?\.\w+ \?\? 0/;
    const lines = [...sources, INDEX].flatMap((url) => readFileSync(url, 'utf8').split('\n'));
    expect(lines.filter((line) => excuse.test(line))).toEqual([]);
  });
});
