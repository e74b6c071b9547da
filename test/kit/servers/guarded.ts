/**
 * Child processes that cannot outlive us: every server for tests and the demo is started here, in a temporary
 * directory of its own. A guard (guard.sh) watches a pipe that only we hold open, so whatever ends this process ends
 * the server and removes the directory. It stands alone so that no service invents its own clean-up.
 * It must not know any particular server.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GUARD = fileURLToPath(new URL('guard.sh', import.meta.url));
/** Enough to hold the lines in which a server says why it does not start. */
const OUTPUT_TAIL_CHARS = 16_384;
/** The guard kills with SIGKILL; longer than this means that the machine, not the server, is stuck. */
const STOP_DEADLINE_MS = 15_000;
/** A free port can be lost to someone else between the look and the use; more than this is another fault. */
const START_ATTEMPTS = 4;

export interface GuardedProcess {
  /** The last lines the server wrote to stdout and stderr. */
  output(): string;
  /** Waits until the output matches; rejects with the output when the server ends first or `deadlineMs` have passed. */
  printed(pattern: RegExp, deadlineMs: number): Promise<RegExpExecArray>;
  /** From now on it does not keep this process running: a forgotten `stop()` costs nothing. Call it once the server is up. */
  detach(): void;
  /** Kills the server and waits until it and its directory are gone; safe to call twice. */
  stop(): Promise<void>;
}

export interface GuardedCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/** The full path of a program, or `undefined` when it is not on PATH. */
export function findProgram(name: string): string | undefined {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    if (directory === '') continue;
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {}
  }
  return undefined;
}

/**
 * Runs `start`, and again when it fails: it looks for free ports, and those can be lost before the server binds them.
 * @throws Error of the last attempt.
 */
export async function withAttempts<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
    }
  }
}

/** Starts a server under the guard; `build` gets the temporary directory that is removed when the server ends. */
export async function spawnGuarded(
  name: string,
  build: (directory: string) => GuardedCommand,
): Promise<GuardedProcess> {
  const directory = await mkdtemp(join(tmpdir(), `s3compact-${name}-`));
  const { command, args } = build(directory);
  const child = spawn('/bin/sh', [GUARD, directory, command, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A session of its own: Ctrl-C reaches only us, and we still need the server while we shut down.
    detached: true,
  });
  return watch(name, child);
}

function watch(name: string, child: ChildProcess): GuardedProcess {
  let tail = '';
  let ended = false;
  const listeners = new Set<() => void>();
  const notify = () => {
    for (const listener of listeners) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-OUTPUT_TAIL_CHARS);
      notify();
    });
  }
  // The pipe breaks when the server dies first; that is reported by its end.
  child.stdin?.on('error', () => {});
  const gone = new Promise<void>((resolve) => {
    const end = (error?: Error) => {
      ended = true;
      if (error !== undefined) tail += error.message;
      notify();
      resolve();
    };
    child.once('error', end);
    // 'close' comes after the last output, so a failure is reported with its reason.
    child.once('close', () => end());
  });
  return {
    output: () => tail.trim(),
    printed: (pattern, deadlineMs) =>
      new Promise((resolve, reject) => {
        const settle = (result: RegExpExecArray | Error) => {
          clearTimeout(timer);
          listeners.delete(look);
          if (result instanceof Error) reject(result);
          else resolve(result);
        };
        const look = () => {
          const match = pattern.exec(tail);
          if (match !== null) settle(match);
          else if (ended) settle(new Error(`${name} did not start:\n${tail.trim()}`));
        };
        const late = () => settle(new Error(`${name} was not ready after ${deadlineMs} ms:\n${tail.trim()}`));
        const timer = setTimeout(late, deadlineMs);
        listeners.add(look);
        look();
      }),
    detach: () => setReferenced(child, false),
    stop: async () => {
      if (!ended) setReferenced(child, true);
      child.stdin?.end();
      const timer = setTimeout(() => killSession(child), STOP_DEADLINE_MS);
      await gone;
      clearTimeout(timer);
    },
  };
}

function killSession(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {}
}

/** Whether the child and its pipes keep this process running. */
function setReferenced(child: ChildProcess, referenced: boolean): void {
  const pipes = [child.stdin, child.stdout, child.stderr].filter((pipe) => pipe instanceof Socket);
  for (const handle of [child, ...pipes]) {
    if (referenced) handle.ref();
    else handle.unref();
  }
}
