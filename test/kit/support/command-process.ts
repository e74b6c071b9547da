/**
 * A process of s3compact as an operator starts it, for tests that kill: its last log lines, each log event as it comes,
 * its child processes, and how much memory it has held. Chaos and soak both drive theirs by it. It must not choose whom to
 * hit, and knows no count and no promise.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../../../bin/s3compact.js', import.meta.url));
/** Lines that are kept to explain an end. */
const LAST_LINES = 20;
const KIB = 1024;
/** Exit code: nothing is wrong with the settings, a server was not there, or processes died again and again. */
export const EXIT_LATER = 3;

/** What tests read of a log line. */
export interface LogLine {
  readonly event?: string;
  readonly msg?: string;
  readonly outcome?: string;
  readonly code?: string;
  readonly try?: number;
  readonly lookAgainMs?: number;
  readonly chunksCompacted?: number;
  readonly deleted?: number;
  readonly cost?: { readonly writeRequests: number };
}

export interface CommandOptions {
  readonly args: readonly string[];
  /** Beside that of this process. */
  readonly env: Readonly<Record<string, string>>;
  readonly onLine?: (line: LogLine, text: string) => void;
  /** Its end is that of the main process: its children may go on for a while and hold its streams. */
  readonly leavesChildren?: boolean;
}

export class CommandProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  /** The last lines of its log. */
  readonly lines: string[] = [];
  stdout = '';
  /** We ended it. */
  ending = false;

  constructor({ args, env, onLine, leavesChildren = false }: CommandOptions) {
    this.child = spawn(process.execPath, [COMMAND, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', args[0] === 'worker' ? 'ignore' : 'pipe', 'pipe'],
    });
    this.ended = once(this.child, leavesChildren ? 'exit' : 'close');
    this.child.stdout?.on('data', (data: Buffer) => (this.stdout += data.toString()));
    if (this.child.stderr === null) return;
    createInterface({ input: this.child.stderr }).on('line', (text) => {
      this.lines.push(text);
      if (this.lines.length > LAST_LINES) this.lines.shift();
      onLine?.(parse(text), text);
    });
  }

  /** Exit code, or the signal that ended it. */
  get exit(): string {
    return `${this.child.exitCode ?? this.child.signalCode}`;
  }

  /** Process ids of its children; none where there is no /proc. */
  get children(): number[] {
    const { pid } = this.child;
    const text = textOf(`/proc/${pid}/task/${pid}/children`);
    return text.split(' ').filter(Boolean).map(Number);
  }

  /** SIGTERM, and SIGKILL after so long; resolves when it has ended. */
  async stop(deadlineMs: number): Promise<void> {
    this.ending = true;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), deadlineMs);
    await this.ended;
    clearTimeout(timer);
  }
}

/** `false`: it has ended meanwhile. */
export function sendSignal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}

/** The most memory that the process has held, bytes; 0 for one that is gone. */
export function peakRssBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0) * KIB;
}

/** Whether a process of this id runs, with this word on its command line. */
export function isRunning(pid: number, word: string): boolean {
  return textOf(`/proc/${pid}/cmdline`).includes(word);
}

/** Empty for a process that is gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** A process that is killed may leave half a line. */
function parse(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return {};
  }
}
