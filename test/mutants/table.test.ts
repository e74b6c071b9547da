/** The table of deliberate faults still fits the sources; `npm run mutants` runs the tests against each of them. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { edited } from './fault.ts';
import { FAULTS } from './table.ts';
import { TEST_FILES, testOrder } from './tests.ts';

const ROOT = new URL('../../', import.meta.url);

describe('the table of deliberate faults', () => {
  it('has at least 20, each named once, for invariants that there are', () => {
    expect(FAULTS.length).toBeGreaterThanOrEqual(20);
    expect(new Set(FAULTS.map((fault) => fault.name)).size).toBe(FAULTS.length);
    for (const { invariants } of FAULTS) expect(invariants).toMatch(/^I([1-9]|1[0-3])( I([1-9]|1[0-3]))*$/);
  });

  it.each(FAULTS)('$name: every text occurs exactly once in its file, and the change changes it', ({ edits }) => {
    const texts = new Map<string, string>();
    for (const edit of edits) {
      expect(edit.file).toMatch(/^(src|workers)\//);
      const text = texts.get(edit.file) ?? readFileSync(new URL(edit.file, ROOT), 'utf8');
      const changed = edited(text, edit);
      expect(changed).not.toBe(text);
      texts.set(edit.file, changed);
    }
  });

  it('refuses a text that is not there, or there twice', () => {
    const edit = { file: 'x', find: 'b', replace: 'c' };
    expect(edited('abd', edit)).toBe('acd');
    expect(() => edited('a', edit)).toThrow('x has 0 times, not once: b');
    expect(() => edited('bb', edit)).toThrow('x has 2 times');
  });

  it('is tried first against the tests that mirror the changed file', () => {
    expect(testOrder(['src/queue/reap-queue.ts'])[0]).toBe('test/queue/reap-queue.test.ts');
    expect(testOrder(['src/gc/delete.ts'])[0]).toMatch(/^test\/gc\//);
    expect(testOrder(['src/reap/fresh-look.ts']).slice(0, 2)).toEqual([
      'test/reap/fresh-look.test.ts',
      'test/reap/reap-record.test.ts',
    ]);
    expect(testOrder(['src/config/relations.ts'])[0]).toBe('test/config/config.test.ts');
    expect(testOrder(['workers/processes/child-process.ts'])[0]).toMatch(/^test\/workers\//);
    expect(testOrder(['src/elsewhere.ts'])).toEqual(TEST_FILES);
    expect(testOrder(['src/reap/reap-record.ts']).toSorted()).toEqual(TEST_FILES.toSorted());
  });

  it('is tried against test files that are there', () => {
    for (const file of TEST_FILES) expect(existsSync(new URL(file, ROOT)), file).toBe(true);
  });
});
