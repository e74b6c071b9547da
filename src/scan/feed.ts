/**
 * Feeds the queue with what a walk finds: the best first, never more than the queue is to hold, and only a little ahead of
 * the workers while better finds may still come. It holds a bounded number of finds; when it is full the walk waits. A
 * find is gone from here only when it is queued, so whatever ends a scan loses nothing but time.
 */
import type { InodeKey } from '../model.ts';
import { ENQUEUE_MAX, type ScoredInode } from '../scan-port.ts';
import type { PageWork } from './pages.ts';
import type { ScanOptions, ScanParts } from './types.ts';

/** Finds that are held at most; some 20 MB. */
const HELD_MAX = 50_000;
/** Jobs that wait in the queue while the walk goes on: few, since better finds queue up behind them (docs/adr/0007). */
const AHEAD = 100;
const BATCH = Math.min(500, ENQUEUE_MAX);

interface Find extends ScoredInode {
  readonly page: PageWork;
}

type FeedDeps = Pick<ScanParts, 'queue' | 'control'>;
type FeedOptions = Pick<ScanOptions, 'queueMax' | 'heldMax'> & { readonly fsId: number };

type FeedState = 'fed' | 'empty' | 'full' | 'paused';

export class Feed {
  readonly #deps: FeedDeps;
  readonly #options: FeedOptions;
  /** By score, the best last, where as many as `#sorted` are here; else something was added since. */
  #finds: Find[] = [];
  #sorted = 0;
  /** Jobs that this scan queued. */
  queued = 0;

  constructor(deps: FeedDeps, options: FeedOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get held(): number {
    return this.#finds.length;
  }

  /** The walk has to wait. */
  get isFull(): boolean {
    return this.#finds.length >= (this.#options.heldMax ?? HELD_MAX);
  }

  /** Keeps a find; its page is not done before it is queued. */
  add(key: InodeKey, score: number, page: PageWork): void {
    page.outstanding++;
    this.#finds.push({ key, score, page });
  }

  /** Forgets all finds: they will be found again. */
  clear(): void {
    this.#finds = [];
    this.#sorted = 0;
  }

  /** Queues some of the best, if there is room. A failure leaves all of them here. */
  async feed(walking: boolean): Promise<FeedState> {
    const { fsId, queueMax } = this.#options;
    if (this.#finds.length === 0) return 'empty';
    if (await this.#deps.control.isPaused(fsId)) return 'paused';
    const most = walking && !this.isFull ? Math.min(AHEAD, queueMax) : queueMax;
    const room = most - (await this.#deps.queue.waitingCount());
    if (room <= 0) return 'full';
    const best = this.#takeBest(Math.min(room, BATCH));
    try {
      this.queued += await this.#deps.queue.enqueueBest(fsId, best);
    } catch (error) {
      this.#finds.push(...best);
      throw error;
    }
    for (const { page } of best) page.outstanding--;
    return 'fed';
  }

  /** The best ones, best first. Runs that are sorted already cost the sort next to nothing. */
  #takeBest(count: number): Find[] {
    if (this.#sorted !== this.#finds.length) this.#finds.sort((a, b) => a.score - b.score);
    const best = this.#finds.splice(-count).reverse();
    this.#sorted = this.#finds.length;
    return best;
  }
}
