/** Runs one contestant in a process of its own, with the options of a worker process, and reads its figures. */
import { forkJson } from '../servers/fork-json.ts';
import type { ChildOrder, Figures } from './child.ts';

export function runChild({ contestant, one, endpoint, accessKeyId, secretAccessKey }: ChildOrder): Promise<Figures> {
  const order: ChildOrder = { contestant, one, endpoint, accessKeyId, secretAccessKey };
  return forkJson<Figures>(new URL('child.ts', import.meta.url), order, ['--max-semi-space-size=4']);
}
