/** JSON for programs: the same text as written whole, and written where it cannot be. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CliContext } from '../../src/cli/context.ts';
import { jsonParts } from '../../src/cli/output.ts';

it('in parts it is the text that it is whole (property)', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect([...jsonParts(value)].join('')).toBe(JSON.stringify(value, null, 2));
    }),
  );
  const unset = { a: undefined, b: [undefined, { c: undefined, d: [1n] }], e: [] };
  expect([...jsonParts(unset)].join('')).toBe(JSON.stringify({ b: [null, { d: ['1'] }], e: [] }, null, 2));
});

it('an answer that is longer than a string can be is written', () => {
  const text = 'x'.repeat(2 ** 20);
  const chunks = Array.from({ length: 600 }, (_, chunkIndex) => ({ chunkIndex, versions: [{ text }] }));
  let written = 0;
  const stdout = { write: (part: string) => (written += part.length) };
  new CliContext({}, { stdout, stderr: stdout }).dataJson({ chunks });
  expect(written).toBeGreaterThan(600 * 2 ** 20);
});
