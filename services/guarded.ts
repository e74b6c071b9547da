/**
 * Child processes that cannot outlive us: every server for tests and the demo is started here. A guard (guard.sh)
 * or the server itself watches a pipe that only we hold open, so whatever ends this process ends the server and
 * removes its directory. It stands alone so that no service invents its own clean-up.
 * It must not know any particular server.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GUARD = fileURLToPath(new URL('guard.sh', import.meta.url));
/** Enough to hold the lines in which a server says why it does not start. */
const OUTPUT_TAIL_CHARS = 8_192;
/** The guard kills with SIGKILL; longer than this means that the machine, not the server, is stuck. */
const STOP_DEADLINE_MS = 15_000;

export interface GuardedProcess {
  /** Process id of the guard (or of the server, where it guards itself). */
  readonly pid: number;
  /** Settles when the process and, under a guard, its directory are gone. Never rejects. */
  readonly exited: Promise<void>;
  /** The last lines it wrote to stdout and stderr. */
  output(): string;
  /** From now on it does not keep this process running: a forgotten `stop()` costs nothing. Call it once the server is up. */
  detach(): void;
  /** Kills it and waits until it is gone; safe to call twice. */
  stop(): Promise<void>;
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

/** Starts `command` under the guard; `directory` is removed when it ends. */
export function spawnGuarded(directory: string, command: string, args: readonly string[]): GuardedProcess {
  const child = spawn('/bin/sh', [GUARD, directory, command, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A session of its own: Ctrl-C reaches only us, and we still need the server while we shut down.
    detached: true,
  });
  return watch(child, () => child.stdin?.end());
}

/** A started child as a GuardedProcess; `release` tells it to end. */
export function watch(child: ChildProcess, release: () => void): GuardedProcess {
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-OUTPUT_TAIL_CHARS);
    });
  }
  // The pipe breaks when the server dies first; `exited` tells that already.
  child.stdin?.on('error', () => {});
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (error) => {
      tail += error.message;
      resolve();
    });
  });
  return {
    pid: child.pid ?? -1,
    exited,
    output: () => tail.trim(),
    detach: () => setReferenced(child, false),
    stop: async () => {
      setReferenced(child, true);
      release();
      const timer = setTimeout(() => killGroup(child), STOP_DEADLINE_MS);
      await exited;
      clearTimeout(timer);
      setReferenced(child, false);
    },
  };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {}
}

/** Whether the child and its pipes keep this process running. */
function setReferenced(child: ChildProcess, referenced: boolean): void {
  for (const handle of [child, child.stdin, child.stdout, child.stderr, child.channel]) {
    if (handle instanceof Socket || handle === child || handle === child.channel) {
      if (referenced) handle?.ref();
      else handle?.unref();
    }
  }
}
