/** Runs one contestant in a process of its own and reads its figures. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ChildOrder, Figures } from './child.ts';

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));
const CHILD_TIMEOUT_MS = 600_000;

export async function runChild({
  contestant,
  one,
  endpoint,
  accessKeyId,
  secretAccessKey,
}: ChildOrder): Promise<Figures> {
  const order: ChildOrder = { contestant, one, endpoint, accessKeyId, secretAccessKey };
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, JSON.stringify(order)], {
    timeout: CHILD_TIMEOUT_MS,
  });
  return JSON.parse(stdout) as Figures;
}
