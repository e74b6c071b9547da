/**
 * What a deliberate fault is: a change of `src/` that breaks a promise, so that some test must fail. Data only; the
 * runner applies it to a copy. `find` is a short text that occurs exactly once in its file, never a line number, so
 * that the table outlives edits elsewhere; table.test.ts checks that it still fits.
 */

export interface Edit {
  /** Path in the project. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Fault {
  /** What the faulty program does. */
  readonly name: string;
  /** Invariant ids whose tests must notice (ARCHITECTURE.md). */
  readonly invariants: string;
  readonly edits: readonly Edit[];
}

/** A fault of one edit, or of several in one file. */
export function fault(
  name: string,
  invariants: string,
  change: { readonly file: string; readonly edits: readonly (readonly [find: string, replace: string])[] },
): Fault {
  const edits = change.edits.map(([find, replace]) => ({ file: change.file, find, replace }));
  return { name, invariants, edits };
}

/** The text after the edit. Throws, naming the edit, unless `find` occurs exactly once. */
export function edited(text: string, edit: Edit): string {
  const parts = text.split(edit.find);
  if (parts.length !== 2) {
    throw new Error(`${edit.file} has ${parts.length - 1} times, not once: ${edit.find}`);
  }
  return parts.join(edit.replace);
}
