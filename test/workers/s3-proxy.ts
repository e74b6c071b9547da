/**
 * An HTTP proxy before the run's S3 server that can be away, hang, or answer in the server's place. The Host header passes
 * unchanged, so signatures hold. It must not decide when: the test does.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CannedAnswer {
  readonly status: number;
  /** The server's code for it, as S3 tells it in XML. */
  readonly code: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class S3Proxy {
  readonly #target: URL;
  #server: Server | undefined;
  #port = 0;
  /** An answer instead of the server's; `undefined` lets the request through. */
  answer: (request: IncomingMessage) => CannedAnswer | undefined = () => undefined;
  /** Every request that came, by its method. */
  readonly seen: { readonly method: string; readonly atMs: number }[] = [];

  constructor(target: string) {
    this.#target = new URL(target);
  }

  static async start(target: string): Promise<S3Proxy> {
    const proxy = new S3Proxy(target);
    await proxy.back();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Nobody listens any more: connections are refused. */
  async away(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  /** Listens again on the same port. */
  async back(): Promise<void> {
    const server = createServer((incoming, outgoing) => this.#serve(incoming, outgoing));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = '', url, headers } = incoming;
    this.seen.push({ method, atMs: performance.now() });
    const canned = this.answer(incoming);
    if (canned !== undefined) {
      incoming.resume();
      const body = `<?xml version="1.0"?><Error><Code>${canned.code}</Code><Message>no</Message></Error>`;
      outgoing.writeHead(canned.status, { 'content-type': 'application/xml', ...canned.headers });
      outgoing.end(method === 'HEAD' ? undefined : body);
      return;
    }
    const { hostname, port } = this.#target;
    const forward = request({ hostname, port, path: url, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    forward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forward.destroy());
    incoming.pipe(forward);
  }
}
