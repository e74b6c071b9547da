/**
 * Virtual time and the order of everything: each port call of each process is parked here until its turn comes, and the
 * seed chooses whose turn it is. Faults of the script strike the n-th call. The code under test runs between two turns
 * until all of it waits again, so a run depends on nothing but script and seed. It must know nothing of files or lists.
 */

import { setImmediate as afterMicrotasks } from 'node:timers/promises';
import type { Clock } from '../../../src/clock.ts';
import { monotonicMs } from '../../../src/time.ts';
import { type Crossing, lost, type OddAnswers } from '../boundary.ts';
import { applies, type Fault, type PlannedFault } from './faults.ts';
import type { Random } from './random.ts';

/** When the world begins, milliseconds since 1970. */
export const EPOCH_MS = 1_700_000_000_000;
/** Most turns of one run (I8): code that never comes to rest is a violation. */
const TURNS_MAX = 100_000;
/** The place of a fault that counts all calls. */
const ANYWHERE = 'any';
/** How long a call takes that nothing happens to. */
const CALL_MS_MAX = 8;

export interface Durations {
  /** The longest that a slow call takes: the adapters' time-out. */
  readonly slowMaxMs: number;
  /** The longest that a process stands still, and that a request is on its way after its time-out. */
  readonly pauseMaxMs: number;
  /** The same for calls that must not be so late: beyond it nothing is promised. */
  readonly pauseMaxMsOf?: ReadonlyMap<string, number>;
}

/** Something that waits for its turn. */
interface Turn {
  readonly atMs: number;
  /** Whose turn it is; a process that stands still waits until it goes on. Requests on their way wait for nobody. */
  readonly process: SimProcess | undefined;
  readonly act: () => Promise<void> | void;
  /** A request on its way: who sent it, and what it does even if that one is gone by then. */
  readonly sent?: { readonly by: SimProcess; readonly name: string; readonly effect: () => unknown };
}

export class Scheduler {
  nowMs = EPOCH_MS;
  faultsOn = true;
  /** What happened, a line each; only when somebody wants to read it. */
  trace: string[] | undefined;
  /** `boundary fault` → how often it struck. */
  readonly struck = new Map<string, number>();
  readonly random: Random;
  readonly #durations: Durations;
  /** By `place n`, where the place is a boundary or `any`. */
  readonly #faults: ReadonlyMap<string, PlannedFault>;
  #parked: Turn[] = [];
  /** Calls of the code under test so far, by place. */
  readonly #calls = new Map<string, number>();
  #turns = 0;

  constructor(random: Random, faults: readonly PlannedFault[], durations: Durations) {
    this.random = random;
    this.#durations = durations;
    this.#faults = new Map(faults.map((fault) => [`${fault.on ?? ANYWHERE} ${fault.at}`, fault]));
  }

  note(line: string): void {
    this.trace?.push(`${String(this.nowMs - EPOCH_MS).padStart(9)} ms  ${line}`);
  }

  /** Lets at most `turns` turns pass, jumping over idle time; `false` when nothing waits any more. */
  async run(turns = Number.POSITIVE_INFINITY): Promise<boolean> {
    for (let n = 0; n < turns; n++) {
      await afterMicrotasks();
      if (!(await this.#turn())) return false;
    }
    return true;
  }

  /** Everything that is due until then happens, and then it is then. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      await afterMicrotasks();
      const next = this.#nextMs();
      if (next === undefined || next > untilMs) break;
      await this.#turn();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** `act` happens at that time, by nobody's hand. */
  later(afterMs: number, act: Turn['act']): void {
    this.#parked.push({ atMs: this.nowMs + afterMs, process: undefined, act });
  }

  sleep(process: SimProcess, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#parked.push({ atMs: this.nowMs + ms, process, act: resolve });
    });
  }

  #plannedFor(name: string): PlannedFault | undefined {
    const [anywhere, here] = [this.#plannedAt(ANYWHERE), this.#plannedAt(name)];
    return anywhere ?? here;
  }

  #plannedAt(place: string): PlannedFault | undefined {
    const n = this.#calls.get(place) ?? 0;
    this.#calls.set(place, n + 1);
    return this.#faults.get(`${place} ${n}`);
  }

  /** A call of a port. Its promise never settles when the process is gone: nothing of it runs any more. */
  call<T>(process: SimProcess, name: string, call: Call<T>): Promise<T> {
    const planned = process.tested && this.faultsOn ? this.#plannedFor(name) : undefined;
    const fault = planned !== undefined && applies(planned.fault, name) ? planned.fault : undefined;
    const size = planned?.size ?? 0;
    if (fault !== undefined) this.struck.set(`${name} ${fault}`, (this.struck.get(`${name} ${fault}`) ?? 0) + 1);
    return new Promise((resolve, reject) => {
      if (fault === 'pause-before') this.#pause(process, size * this.#pauseMaxMs(name), planned?.still);
      const sentMs = Math.max(this.nowMs, process.pausedUntilMs);
      const atMs = sentMs + this.random.below(CALL_MS_MAX) + (fault === 'slow' ? size * this.#durations.slowMaxMs : 0);
      const at = { process, name, fault, size, still: planned?.still };
      const act = (): Promise<void> => this.#arrive(at, { ...call, resolve, reject });
      this.#parked.push({ atMs, process: undefined, act, sent: { by: process, name, effect: call.effect } });
    });
  }

  /** The request reaches the server: effect, then answer. */
  async #arrive<T>(at: Arrival, call: Call<T> & Answers<T>): Promise<void> {
    const { process, name, fault, size } = at;
    this.note(`${process.name} ${name}${fault === undefined ? '' : `  ** ${fault}`}`);
    if (fault === 'gone-before') return this.kill(process);
    if (fault === 'fails-before' || fault === 'late') {
      if (fault === 'late') this.#onItsWay(at, call.effect);
      return this.#fail(at, () => call.reject(lost(name)));
    }
    const odd = fault === 'missing' || fault === 'short' || fault === 'untrue' ? call.odd?.[fault] : undefined;
    try {
      const value = odd === undefined ? await call.effect() : odd();
      if (fault === 'gone-after') return this.kill(process);
      if (fault === 'fails-after') return this.#fail(at, () => call.reject(lost(name)));
      if (fault === 'pause-after') this.#pause(process, size * this.#durations.pauseMaxMs, at.still);
      this.#answer(process, () => call.resolve(value));
    } catch (error) {
      this.#answer(process, () => call.reject(error));
    }
  }

  /** `still`: as a virtual machine that is suspended, whose monotonic clock stands still with it. */
  #pause(process: SimProcess, ms: number, still = false): void {
    if (still) process.stoodStillMs += Math.max(0, this.nowMs + ms - Math.max(this.nowMs, process.pausedUntilMs));
    process.pause(this.nowMs + ms);
  }

  #fail({ process, name }: Arrival, answer: () => void): void {
    process.failed.push(name);
    this.#answer(process, answer);
  }

  /** A process that stands still hears nothing until it goes on. */
  #answer(process: SimProcess, answer: () => void): void {
    if (process.pausedUntilMs > this.nowMs) this.#parked.push({ atMs: this.nowMs, process, act: answer });
    else if (!process.gone) answer();
  }

  #pauseMaxMs(name: string): number {
    return this.#durations.pauseMaxMsOf?.get(name) ?? this.#durations.pauseMaxMs;
  }

  /** The request takes effect some time after its sender gave it up, or died. */
  #onItsWay(at: { readonly name: string; readonly process: SimProcess; readonly size: number }, effect: () => unknown) {
    this.later(at.size * this.#pauseMaxMs(at.name), async () => {
      this.note(`${at.process.name} ${at.name} takes effect late`);
      // Whatever it comes to, nobody is there to hear it.
      await Promise.resolve()
        .then(effect)
        .catch(() => undefined);
    });
  }

  /** SIGKILL: nothing of it happens from here on, but for requests that are on their way: half of them arrive. */
  kill(process: SimProcess): void {
    this.note(`${process.name} is killed`);
    process.die();
    const [own, others] = [[] as Turn[], [] as Turn[]];
    for (const turn of this.#parked) (turn.process === process || turn.sent?.by === process ? own : others).push(turn);
    this.#parked = others;
    for (const { sent } of own) {
      if (sent === undefined || this.random.below(2) === 0) continue;
      this.#onItsWay({ name: sent.name, process, size: this.random.unit() }, sent.effect);
    }
  }

  async #turn(): Promise<boolean> {
    const next = this.#nextMs();
    if (next === undefined) return false;
    if (this.#turns++ > TURNS_MAX) throw new Error(`I8: the world does not come to rest within ${TURNS_MAX} turns`);
    this.nowMs = Math.max(this.nowMs, next);
    const ready = this.#parked.filter((turn) => readyMs(turn) <= this.nowMs);
    const turn = this.random.pick(ready);
    this.#parked.splice(this.#parked.indexOf(turn), 1);
    await turn.act();
    return true;
  }

  #nextMs(): number | undefined {
    let next: number | undefined;
    for (const turn of this.#parked) {
      const atMs = readyMs(turn);
      if (next === undefined || atMs < next) next = atMs;
    }
    return next;
  }
}

function readyMs(turn: Turn): number {
  return Math.max(turn.atMs, turn.process?.pausedUntilMs ?? 0);
}

interface Call<T> {
  readonly effect: () => T | Promise<T>;
  readonly odd?: OddAnswers<T>;
}

interface Answers<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

interface Arrival {
  readonly process: SimProcess;
  readonly name: string;
  readonly fault: Fault | undefined;
  readonly size: number;
  readonly still: boolean | undefined;
}

export interface ProcessOptions {
  /** Runs code under test: faults strike its calls. */
  readonly tested: boolean;
  /** Its monotonic clock against true time: 1 is right. */
  readonly rate: number;
}

/** A process of the world: it can stand still and die, and its clock may run wrong. */
export class SimProcess implements Crossing {
  readonly name: string;
  readonly tested: boolean;
  gone = false;
  pausedUntilMs = 0;
  /** Time that its monotonic clock has missed. */
  stoodStillMs = 0;
  /** Calls whose answer was an error of the way, by name. */
  readonly failed: string[] = [];
  readonly died: Promise<void>;
  readonly #scheduler: Scheduler;
  readonly #rate: number;
  #onDeath: () => void = () => undefined;

  constructor(name: string, scheduler: Scheduler, options: ProcessOptions) {
    this.name = name;
    this.tested = options.tested;
    this.#rate = options.rate;
    this.#scheduler = scheduler;
    this.died = new Promise((resolve) => {
      this.#onDeath = resolve;
    });
  }

  cross<T>(name: string, effect: () => T | Promise<T>, odd?: OddAnswers<T>): Promise<T> {
    return this.#scheduler.call(this, name, { effect, ...(odd === undefined ? {} : { odd }) });
  }

  pause(untilMs: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, untilMs);
  }

  die(): void {
    this.gone = true;
    this.#onDeath();
  }

  get clock(): Clock {
    return {
      monotonicMs: () => monotonicMs((this.#scheduler.nowMs - EPOCH_MS - this.stoodStillMs) * this.#rate),
      sleep: (ms, signal) => this.#scheduler.sleep(this, ms / this.#rate, signal),
    };
  }
}
