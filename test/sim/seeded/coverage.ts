/**
 * Which fault has struck which call how often, over many seeds: what was never struck has not been tried. A table for
 * people and a check for tests. It counts; it plays nothing.
 */
import type { CommitForm } from '../../../src/metadata/port.ts';
import { applies, BOUNDARIES, FAULTS } from './faults.ts';

/** Each pair must be struck at least this often in a full run. */
export const STRUCK_MIN = 10;

export class Coverage {
  readonly #struck = new Map<string, number>();

  add(struck: ReadonlyMap<string, number>): void {
    for (const [pair, count] of struck) this.#struck.set(pair, (this.#struck.get(pair) ?? 0) + count);
  }

  of(boundary: string, fault: string): number {
    return this.#struck.get(`${boundary} ${fault}`) ?? 0;
  }

  /** Pairs that mean something and were struck too seldom. */
  missing(form: CommitForm = 'fenced', least = STRUCK_MIN): string[] {
    return BOUNDARIES.flatMap((boundary) =>
      FAULTS.filter((fault) => applies(fault, boundary, form) && this.of(boundary, fault) < least).map(
        (fault) => `${boundary} ${fault}: ${this.of(boundary, fault)}`,
      ),
    );
  }

  /** A row for each call, a column for each fault; `-` where the pair has no meaning. */
  table(form: CommitForm = 'fenced'): string {
    const width = Math.max(...BOUNDARIES.map((boundary) => boundary.length));
    const head = ['', ...FAULTS];
    const rows = BOUNDARIES.map((boundary) => [
      boundary,
      ...FAULTS.map((fault) => (applies(fault, boundary, form) ? String(this.of(boundary, fault)) : '-')),
    ]);
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, n) => (n === 0 ? cell.padEnd(width) : cell.padStart(Math.max(6, head[n]?.length ?? 0))))
        .join('  ');
    return [head, ...rows].map(line).join('\n');
  }
}
