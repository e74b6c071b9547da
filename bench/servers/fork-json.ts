/** Runs a program of a bench in a process of its own and reads the JSON that it prints: nobody meets another's heap. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const CHILD_TIMEOUT_MS = 1_800_000;

export async function forkJson<T>(program: URL, order: unknown, nodeArgs: readonly string[] = []): Promise<T> {
  const args = [...nodeArgs, fileURLToPath(program), JSON.stringify(order)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: CHILD_TIMEOUT_MS });
  return JSON.parse(stdout) as T;
}
