/**
 * Progress on standard error: a bar, or a line that changes, on a terminal; plain lines elsewhere; nothing for programs
 * (--json). It only shows; what it shows comes from the work.
 */
import { SingleBar } from 'cli-progress';
import type { CompactProgress } from '../compact/compact-inode.ts';
import type { JobWait } from '../queue/status.ts';
import { waitText } from '../view/job-text.ts';
import { bytes, duration } from '../view/words.ts';
import type { CliContext } from './context.ts';

export class RunProgress {
  readonly #context: CliContext;
  readonly #plain: CountProgress;
  readonly #sinceMs = performance.now();
  #bar: SingleBar | undefined;
  #lastLine = '';

  constructor(context: CliContext) {
    this.#context = context;
    this.#plain = new CountProgress(context);
  }

  /** Where the run is, and what it waits for. Before there is anything to count, a line moves. */
  show(at: CompactProgress | undefined, waits?: JobWait | null): void {
    if (this.#context.json) return;
    const waiting = waits ? waitText(waits) : '';
    if (at === undefined) {
      this.#plain.show(`${waiting === '' ? 'at work' : waiting}, ${duration(performance.now() - this.#sinceMs)}`);
      return;
    }
    this.#plain.stop();
    const moved = bytes(at.bytesMoved);
    if (this.#context.streams.stderr.isTTY !== true) {
      const where = `block ${at.blocksDone}/${at.blocksTotal}, ${at.chunksDone}/${at.chunksTotal} chunks done, ${moved} moved`;
      this.#line(waiting === '' ? where : `${where}; ${waiting}`);
      return;
    }
    if (this.#bar === undefined) {
      this.#bar = barOf(' {bar} {value}/{total} blocks, {moved} moved, {time} {waiting}');
      this.#bar.start(at.blocksTotal, at.blocksDone, { moved, waiting, time: '' });
    }
    this.#bar.setTotal(at.blocksTotal);
    this.#bar.update(at.blocksDone, { moved, waiting, time: duration(performance.now() - this.#sinceMs) });
  }

  /** The state of the job, until there is progress to show. */
  state(state: string): void {
    if (this.#context.json || this.#bar !== undefined) return;
    // The queue's word for one that waits with a priority.
    const text = `the job is ${state === 'prioritized' ? 'waiting' : state}`;
    if (this.#context.streams.stderr.isTTY === true)
      this.#plain.show(`${text}, ${duration(performance.now() - this.#sinceMs)}`);
    else this.#line(text);
  }

  stop(): void {
    this.#plain.stop();
    this.#bar?.stop();
  }

  #line(text: string): void {
    if (text !== this.#lastLine) this.#context.note(text);
    this.#lastLine = text;
  }
}

/** Plain lines come at most this often. */
const LINE_EVERY_MS = 10_000;
/** The first one comes sooner: somebody waits to see that something moves. */
const FIRST_LINE_MS = 1_000;

/** Progress of work that counts: on a terminal a bar where it is known how much there is, else a line that changes; elsewhere a line now and then. */
export class CountProgress {
  readonly #context: CliContext;
  readonly #total: number | undefined;
  #bar: SingleBar | undefined;
  #nextLineMs = performance.now() + FIRST_LINE_MS;

  /** `total`: as an earlier one tells how much there is. */
  constructor(context: CliContext, total?: number) {
    this.#context = context;
    this.#total = total;
  }

  /** How far the work is, in words and, where there is a total, in numbers. */
  show(text: string, done = 0): void {
    if (this.#context.json) return;
    if (this.#context.streams.stderr.isTTY === true) {
      this.#bar ??= this.#start(text);
      if (done > this.#bar.getTotal()) this.#bar.setTotal(done);
      this.#bar.update(done, { text });
      return;
    }
    if (performance.now() < this.#nextLineMs) return;
    this.#nextLineMs = performance.now() + LINE_EVERY_MS;
    this.#context.note(text);
  }

  stop(): void {
    this.#bar?.stop();
  }

  #start(text: string): SingleBar {
    const bar = barOf(this.#total === undefined ? ' {text}' : ' {bar} {percentage}% {text}');
    bar.start(this.#total ?? 1, 0, { text });
    return bar;
  }
}

/** It changes no mode of the terminal (cursor, line wrap): Ctrl-C may end the process before anything could set it back. */
function barOf(format: string): SingleBar {
  return new SingleBar({ format, linewrap: true, clearOnComplete: true });
}
