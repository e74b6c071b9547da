/**
 * `/metrics`, `/healthz` and `/readyz` of a pod, for Prometheus and the kubelet. Everything has an end: requests,
 * connections, and the server itself. It must not know what is measured.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Scrapers are few; more than this is a mistake. */
const CONNECTIONS_MAX = 32;
const REQUEST_TIMEOUT_MS = 10_000;

/** What the server tells. */
export interface Sources {
  /** Prometheus text. */
  text(): Promise<string>;
  /** Plain JSON beside `ready`. */
  readiness(): Promise<{ readonly ready: boolean }>;
}

/** What Prometheus asks for by default. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export interface MetricsServer {
  readonly port: number;
  /** Ends the connections that there are. */
  close(): Promise<void>;
}

/** Listens on all addresses; port 0 takes a free one. Rejects when the port cannot be had. */
export async function startMetricsServer(sources: Sources, port: number): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    // Not `new URL`: it throws for what a stranger may send, such as "//", and that would end the worker.
    const [path] = (request.url ?? '/').split('?', 1);
    if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405, 'only GET');
    // That it is answered at all says that the event loop turns.
    if (path === '/healthz') return end(response, 200, 'ok');
    if (path === '/readyz') return ready(response, sources);
    if (path !== '/metrics') return end(response, 404, 'there are /metrics, /healthz and /readyz');
    sources.text().then(
      (text) => end(response, 200, text, CONTENT_TYPE),
      () => end(response, 500, 'the metrics could not be collected'),
    );
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  await once(server.listen(port), 'listening');
  // A connection that cannot be taken (no file descriptors) is the scraper's loss; without a listener it ends the worker.
  server.on('error', () => undefined);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function ready(response: ServerResponse, sources: Sources): void {
  const json = 'application/json; charset=utf-8';
  sources.readiness().then(
    (readiness) => end(response, readiness.ready ? 200 : 503, `${JSON.stringify(readiness)}\n`, json),
    () => end(response, 503, '{"ready":false}\n', json),
  );
}

function end(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type });
  response.end(text);
}
