/** Progress on a terminal, as the terminal gets it. */
import { afterEach, expect, it, vi } from 'vitest';
import type { CliContext } from '../../src/cli/context.ts';
import { CountProgress } from '../../src/cli/progress.ts';

const CONTEXT = { json: false, streams: { stderr: { isTTY: true } } } as unknown as CliContext;

afterEach(() => vi.restoreAllMocks());

it('leaves the cursor and the line wrap of the terminal alone: a second Ctrl-C ends the process where it stands', () => {
  let out = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  // What the bar writes to.
  const { isTTY, columns } = process.stderr;
  Object.assign(process.stderr, { isTTY: true, columns: 40 });
  const progress = new CountProgress(CONTEXT);
  try {
    progress.show(`looking at: ${'x'.repeat(100)}`);
  } finally {
    progress.stop();
    Object.assign(process.stderr, { isTTY, columns });
  }
  expect(out).toContain(' looking at: ');
  // One line, whatever its words are.
  expect(out).not.toContain('x'.repeat(40));
  expect(out).not.toContain('\u001b[?');
});
