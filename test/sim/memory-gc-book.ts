/** What gc remembers, in memory: one state, seen by the processes of a world through their boundaries. */
import type { GcBook, GcPosition, Suspect } from '../../src/ledger.ts';
import { Boundary, type Crossing } from './boundary.ts';

export class GcBookState {
  readonly suspects = new Map<string, Suspect>();
  position: GcPosition | null = null;
}

/** One process's view of the book. */
export class MemoryGcBook implements GcBook {
  readonly #state: GcBookState;
  readonly #boundary: Crossing;

  constructor(state: GcBookState, boundary: Crossing = new Boundary()) {
    this.#state = state;
    this.#boundary = boundary;
  }

  position(): Promise<GcPosition | null> {
    return this.#boundary.cross('book.position', () => this.#state.position);
  }

  setPosition(position: GcPosition | null): Promise<void> {
    return this.#boundary.cross('book.setPosition', () => {
      this.#state.position = position;
    });
  }

  suspects(): Promise<ReadonlyMap<string, Suspect>> {
    return this.#boundary.cross('book.suspects', () => new Map(this.#state.suspects));
  }

  note(suspects: ReadonlyMap<string, Suspect>): Promise<void> {
    return this.#boundary.cross('book.note', () => {
      for (const [name, suspect] of suspects) this.#state.suspects.set(name, suspect);
    });
  }

  forget(names: readonly string[]): Promise<void> {
    return this.#boundary.cross('book.forget', () => {
      for (const name of names) this.#state.suspects.delete(name);
    });
  }
}
