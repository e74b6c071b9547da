/**
 * How far a walk is really done: pages are looked at side by side and their finds are queued in the order of their
 * scores, so what is done has gaps. The only safe place to go on from is behind the last page before which nothing is
 * outstanding. Memory is bounded: far behind, pages are counted together. It does no I/O.
 */
import { addCounts } from '../plan/index.ts';
import { type Backlog, NO_BACKLOG } from '../scan-port.ts';

/** Pages that are kept apart. */
const PAGES_MAX = 1_000;

/** One page, or several that are counted together. */
export interface PageWork {
  /** Behind the last of them; `null`: the walk ends there. `undefined`: there is no going on from there. */
  cursor: string | null | undefined;
  /** Batches that are looked at and finds that are not queued yet. */
  outstanding: number;
  backlog: Backlog;
}

export class Pages {
  #work: PageWork[] = [];
  /** Everything before the cursor is done, and this was found there. */
  #done: { readonly cursor: string | null | undefined; readonly backlog: Backlog };

  /** Goes on behind `cursor`, with what was found before it; `undefined`: from the start. */
  constructor(from: { readonly cursor: string | undefined; readonly backlog: Backlog }) {
    this.#done = from;
  }

  /** A page that is looked at from now on, with its batches outstanding. */
  begin(cursor: string | null | undefined, batches: number): PageWork {
    const last = this.#work.at(-1);
    if (last !== undefined && this.#work.length >= PAGES_MAX) {
      last.cursor = cursor;
      last.outstanding += batches;
      return last;
    }
    const page = { cursor, outstanding: batches, backlog: NO_BACKLOG };
    this.#work.push(page);
    return page;
  }

  found(page: PageWork, backlog: Backlog): void {
    page.backlog = addCounts(page.backlog, backlog);
  }

  /** Where a later walk may go on, and what was found before; `cursor` is `undefined` before the first page is done. */
  get safe(): { readonly cursor: string | null | undefined; readonly backlog: Backlog } {
    let done = 0;
    let { backlog } = this.#done;
    for (const [n, page] of this.#work.entries()) {
      if (page.outstanding > 0) break;
      backlog = addCounts(backlog, page.backlog);
      if (page.cursor === undefined) continue;
      this.#done = { cursor: page.cursor, backlog };
      done = n + 1;
    }
    if (done > 0) this.#work = this.#work.slice(done);
    return this.#done;
  }

  /** What was found so far, queued or not. */
  get backlog(): Backlog {
    const { backlog } = this.safe;
    return this.#work.reduce((sum, page) => addCounts(sum, page.backlog), backlog);
  }
}
