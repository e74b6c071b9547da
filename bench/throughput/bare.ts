/**
 * The bare loop: the same GETs and PUTs as a compaction, as many at a time, with undici and nothing else: no signature, no
 * checksum, no retries, no deadline, no plan. In two forms: `request`, as anybody would write it, and `dispatch`, the
 * cheapest that undici can do.
 */
import { Pool } from 'undici';
import type { SourceRead } from '../../src/model.ts';
import { BUCKET } from './cases.ts';
import { LIMITS } from './limits.ts';
import type { BareTask } from './tasks.ts';

export type BareForm = 'request' | 'dispatch';

export class BareLoop {
  readonly #pool: Pool;
  readonly #form: BareForm;
  readonly #buffers: Buffer[] = [];

  constructor(endpoint: string, form: BareForm) {
    this.#pool = new Pool(endpoint, { connections: 64, pipelining: 1 });
    this.#form = form;
  }

  /** One inode's: blocks and GETs in flight as of the default settings. */
  async run(tasks: readonly BareTask[]): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let task = tasks[next++]; task !== undefined; task = tasks[next++]) await this.#task(task);
    };
    await Promise.all(Array.from({ length: LIMITS.blocksInFlight }, worker));
  }

  async #task({ name, bytes, reads }: BareTask): Promise<void> {
    const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(4 * 1024 * 1024);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let one = reads[next++]; one !== undefined; one = reads[next++]) await this.#get(one.name, one.read, buffer);
    };
    // The GETs of a run, shared by its blocks.
    await Promise.all(Array.from({ length: LIMITS.getsInFlight / LIMITS.blocksInFlight }, worker));
    await this.#put(name, buffer.subarray(0, bytes));
    this.#buffers.push(buffer);
  }

  async #get(name: string, read: SourceRead, buffer: Buffer): Promise<void> {
    const [copy] = read.copies;
    const target = buffer.subarray(copy?.to ?? 0, (copy?.to ?? 0) + read.len);
    const path = `/${BUCKET}/${name}`;
    const range = `bytes=${read.offset}-${read.offset + read.len - 1}`;
    const filled = await (this.#form === 'request'
      ? this.#getByRequest(path, range, target)
      : this.#getByDispatch(path, range, target));
    if (filled !== read.len) throw new Error(`${filled} bytes of ${name} in place of ${read.len}`);
  }

  async #getByRequest(path: string, range: string, target: Buffer): Promise<number> {
    const { body, statusCode } = await this.#pool.request({ method: 'GET', path, headers: { range } });
    if (statusCode !== 206) throw new Error(`GET ${path}: ${statusCode}`);
    let filled = 0;
    for await (const piece of body as AsyncIterable<Buffer>) {
      target.set(piece, filled);
      filled += piece.length;
    }
    return filled;
  }

  #getByDispatch(path: string, range: string, target: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      let filled = 0;
      this.#pool.dispatch(
        { method: 'GET', path, headers: ['range', range] },
        {
          onRequestStart: () => undefined,
          onResponseStart: (_controller, status) => {
            if (status !== 206) reject(new Error(`GET ${path}: ${status}`));
          },
          onResponseData: (_controller, piece) => {
            target.set(piece, filled);
            filled += piece.length;
          },
          onResponseEnd: () => resolve(filled),
          onResponseError: (_controller, error) => reject(error),
        },
      );
    });
  }

  async #put(name: string, body: Buffer): Promise<void> {
    const { statusCode, body: answer } = await this.#pool.request({ method: 'PUT', path: `/${BUCKET}/${name}`, body });
    await answer.dump();
    if (statusCode !== 200) throw new Error(`PUT ${name}: ${statusCode}`);
  }
}
