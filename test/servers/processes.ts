/**
 * Looks at processes from the outside, for the tests that nothing is left running.
 * It must not kill anything but the starter that it started.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const STARTER = fileURLToPath(new URL('starter.ts', import.meta.url));

/** Whether a process exists; one that was killed and that nobody has waited for yet is gone. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/.test(existsSync('/proc') ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '');
  } catch {
    return false;
  }
}

/** What is left of services that were started with `temporary` as their directory for temporary files. */
export interface Leftovers {
  readonly files: readonly string[];
  /** Process ids; always empty where there is no /proc. */
  readonly processes: readonly number[];
}

export function leftovers(temporary: string): Leftovers {
  const ids = existsSync('/proc') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [];
  const processes = ids
    .map(Number)
    .filter((pid) => environmentOf(pid).includes(`TMPDIR=${temporary}\0`) && isRunning(pid));
  return { files: readdirSync(temporary), processes };
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

/**
 * Starts a service in another process and returns how to look for its leftovers, the starter's included.
 * `hold` keeps that process alive; else it ends by itself, without having stopped the service.
 */
export async function startElsewhere(
  service: 'redis' | 's3',
  prefer: 'real' | 'embedded',
  hold: boolean,
): Promise<{ kill(signal: NodeJS.Signals): Promise<void>; ended: Promise<unknown>; look(): Leftovers }> {
  const temporary = mkdtempSync(join(tmpdir(), 's3compact-test-'));
  onTestFinished(() => rmSync(temporary, { recursive: true, force: true }));
  const starter = spawn(process.execPath, [STARTER, service, prefer, hold ? 'hold' : ''], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: temporary },
  });
  const ended = once(starter, 'exit');
  let output = '';
  starter.stdout.on('data', (chunk) => {
    output += chunk;
  });
  await Promise.race([once(starter.stdout, 'data'), ended]);
  if (output !== 'started\n') throw new Error(`the starter printed ${JSON.stringify(output)}`);
  return {
    ended,
    kill: async (signal) => {
      starter.kill(signal);
      await ended;
    },
    look: () => leftovers(temporary),
  };
}
