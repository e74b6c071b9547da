/** Starts the servers of the benches, each in a process of its own that ends with this one. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface BlobServer {
  readonly endpoint: string;
  stop(): void;
}

const PROGRAM = fileURLToPath(new URL('blob-server.ts', import.meta.url));

export async function startBlobServer(): Promise<BlobServer> {
  const child = fork(PROGRAM);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { endpoint: `http://127.0.0.1:${port}`, stop: () => child.kill() };
}
