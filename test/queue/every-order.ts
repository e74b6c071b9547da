/**
 * Processes in every order of their steps: each waits at a gate before each step, one of them is let through at a time,
 * and whatever they do is done again until every choice was made. It stands alone because it knows no queue.
 */

/** To be awaited before each step. */
export type Gate = () => Promise<void>;

class Actor {
  #step: (() => void) | undefined;
  #still = Promise.withResolvers<void>();

  readonly gate: Gate = () =>
    new Promise((resolve) => {
      this.#step = resolve;
      this.#still.resolve();
    });

  get waits(): boolean {
    return this.#step !== undefined;
  }

  /** At a gate, or at its end. */
  still(): Promise<void> {
    return this.#still.promise;
  }

  async run(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } finally {
      this.#still.resolve();
    }
  }

  go(): void {
    this.#still = Promise.withResolvers();
    const step = this.#step;
    this.#step = undefined;
    step?.();
  }
}

interface Scene {
  readonly acts: readonly (() => Promise<unknown>)[];
  /** Throws where the end is not as it must be. */
  readonly check: () => Promise<void>;
}

/** One of so many that waited. */
interface Choice {
  readonly taken: number;
  readonly of: number;
}

type Open = (gates: readonly Gate[]) => Promise<Scene>;

/** Sets the scene for so many processes and plays it once for each order; answers how many there are. A failure names its order. */
export async function everyOrder(processes: number, open: Open): Promise<number> {
  let orders = 0;
  for (let path: readonly number[] | null = []; path !== null; orders++) {
    const actors = Array.from({ length: processes }, () => new Actor());
    path = next(await play(actors, open, path));
  }
  return orders;
}

/** Answers the choices that were made: those of the path, then always the first. */
async function play(actors: readonly Actor[], open: Open, path: readonly number[]): Promise<readonly Choice[]> {
  const { acts, check } = await open(actors.map(({ gate }) => gate));
  const choices: Choice[] = [];
  const ended = Promise.all(actors.map((actor, n) => actor.run(async () => acts[n]?.())));
  ended.catch(() => undefined);
  for (;;) {
    await Promise.all(actors.map((actor) => actor.still()));
    const waiting = actors.filter(({ waits }) => waits);
    if (waiting.length === 0) break;
    const taken = path[choices.length] ?? 0;
    choices.push({ taken, of: waiting.length });
    waiting[taken]?.go();
  }
  try {
    await ended;
    await check();
  } catch (error) {
    throw new Error(`in the order ${choices.map(({ taken }) => taken).join('')}`, { cause: error });
  }
  return choices;
}

function next(choices: readonly Choice[]): readonly number[] | null {
  const last = choices.findLastIndex(({ taken, of }) => taken + 1 < of);
  const changed = choices[last];
  return changed === undefined ? null : [...choices.slice(0, last).map(({ taken }) => taken), changed.taken + 1];
}
