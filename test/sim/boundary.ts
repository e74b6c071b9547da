/**
 * Where a process meets the outside world: every port call of the simulated world crosses a boundary, and a fault plan
 * says what becomes of the k-th crossing. Endings: the call fails before it takes effect, fails after it took effect,
 * or the process is gone before or after the effect, from when on nothing it does has any effect.
 */
import { CompactError } from '../../src/errors.ts';

export type CallEnding = 'fails-before' | 'fails-after' | 'gone-before' | 'gone-after';
export const CALL_ENDINGS: readonly CallEnding[] = ['fails-before', 'fails-after', 'gone-before', 'gone-after'];

/** The process died: not an error of ours, so nothing may treat it as one. */
export class ProcessGone extends Error {
  constructor() {
    super('the process is gone');
  }
}

export interface FaultPlan {
  /** The crossing that it happens to, counted from 0. */
  readonly at: number;
  readonly ending: CallEnding;
}

/** What other processes do before the n-th crossing. */
export type Between = (name: string, n: number) => void | Promise<void>;

/** What the ports in memory need of a process: every call takes effect through it. */
export interface Crossing {
  readonly gone: boolean;
  /** `odd`: what the call may answer instead of its effect, by the fault that makes it so. */
  cross<T>(name: string, effect: () => T | Promise<T>, odd?: OddAnswers<T>): Promise<T>;
}

/** `missing`: as if the object were not there (yet); `short`: as if it ended early; `untrue`: as if it had been done. */
export type OddAnswers<T> = Partial<Record<'missing' | 'short' | 'untrue', () => T>>;

export class Boundary implements Crossing {
  /** Names of all crossings so far. */
  readonly crossings: string[] = [];
  gone = false;
  readonly #fault: FaultPlan | undefined;
  readonly #between: Between | undefined;

  /** `between` runs before every crossing: other processes act there. */
  constructor(fault?: FaultPlan, between?: Between) {
    this.#fault = fault;
    this.#between = between;
  }

  async cross<T>(name: string, effect: () => T | Promise<T>): Promise<T> {
    if (this.gone) throw new ProcessGone();
    const n = this.crossings.length;
    this.crossings.push(name);
    await this.#between?.(name, n);
    if (this.#fault?.at !== n) return await effect();
    const { ending } = this.#fault;
    if (ending === 'gone-before') this.#die();
    if (ending === 'fails-before') throw lost(name);
    await effect();
    if (ending === 'gone-after') this.#die();
    throw lost(name);
  }

  #die(): never {
    this.gone = true;
    throw new ProcessGone();
  }
}

export function lost(name: string): CompactError {
  const code = name.startsWith('metadata')
    ? 'metadata-unavailable'
    : name.startsWith('ledger')
      ? 'queue-unavailable'
      : 'store-unavailable';
  return new CompactError(`injected: ${name} failed`, { kind: 'retry', code });
}
