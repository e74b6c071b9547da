/** One program over one copy: behind proxies, where its requests are counted, or without, where it is timed. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { childrenSeconds } from '../servers/children-seconds.ts';
import type { Recorded } from '../service/record.ts';

const LOOK_MS = 20;
const STDERR_MAX = 4_000;

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Spent {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Resident memory at most, as the kernel notes it, MiB. */
  readonly peakMib: number;
}

/** Runs it to its end. Throws, with what it said, when it fails. */
export async function spentBy({ command, args, env }: Program): Promise<Spent> {
  const [cpuBefore, startedMs] = [childrenSeconds(), performance.now()];
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-STDERR_MAX);
  });
  let peakMib = 0;
  const looks = setInterval(() => {
    peakMib = Math.max(peakMib, peakOf(child.pid));
  }, LOOK_MS);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearInterval(looks);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}: ${said}`);
  return { seconds: (performance.now() - startedMs) / 1000, cpuSeconds: childrenSeconds() - cpuBefore, peakMib };
}

function peakOf(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    // It has ended.
    return 0;
  }
}

export interface Asked {
  readonly gets: number;
  readonly puts: number;
  readonly deletes: number;
  /** HEADs and listings. */
  readonly others: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** What was asked of S3, by kind. */
export function askedOf(requests: readonly Recorded[]): Asked {
  const asked = { gets: 0, puts: 0, deletes: 0, others: 0, readBytes: 0, writtenBytes: 0 };
  for (const { method, path, bytes = 0, received = 0 } of requests) {
    if (method === 'GET' && path.includes('/chunks/')) {
      asked.gets++;
      asked.readBytes += received;
    } else if (method === 'PUT') {
      asked.puts++;
      asked.writtenBytes += bytes;
    } else if (method === 'DELETE' || method === 'POST') asked.deletes++;
    else asked.others++;
  }
  return asked;
}
