/** The server of /metrics alone: whatever a stranger sends, it answers and goes on, and it closes at once. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type MetricsServer, startMetricsServer } from '../../src/observe/metrics-server.ts';

let text: () => Promise<string>;
let readiness: () => Promise<{ ready: boolean }>;
let server: MetricsServer;

beforeEach(async () => {
  text = async () => 'a 1\n';
  readiness = async () => ({ ready: true });
  server = await startMetricsServer({ text: () => text(), readiness: () => readiness() }, 0);
});
afterEach(() => server.close());

/** The first line of the answer to this request line. */
async function ask(request: string): Promise<string | undefined> {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`${request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  return (await textOf(socket)).split('\r\n', 1)[0];
}

it.each([
  ['GET /healthz', '200 OK'],
  ['GET /metrics?x=//', '200 OK'],
  ['HEAD /metrics', '200 OK'],
  ['GET /readyz', '200 OK'],
  ['GET //', '404 Not Found'],
  ['GET http://[', '404 Not Found'],
  ['GET /%', '404 Not Found'],
  ['POST /metrics', '405 Method Not Allowed'],
  ['nonsense', '400 Bad Request'],
])('%s: %s, and it goes on', async (request, status) => {
  expect(await ask(request)).toBe(`HTTP/1.1 ${status}`);
  expect(await ask('GET /healthz')).toBe('HTTP/1.1 200 OK');
});

it('metrics that fail are an answer too', async () => {
  text = () => Promise.reject(new Error('broken'));
  expect(await ask('GET /metrics')).toBe('HTTP/1.1 500 Internal Server Error');
  expect(await ask('GET /healthz')).toBe('HTTP/1.1 200 OK');
});

it('what is not ready is reported with its parts, and a question that fails is not ready', async () => {
  const url = `http://127.0.0.1:${server.port}/readyz`;
  readiness = async () => ({ ready: false, parts: { queue: { ready: false, reasons: ['it is away'] } } });
  const told = await fetch(url);
  expect(told.status).toBe(503);
  expect(await told.json()).toEqual({ ready: false, parts: { queue: { ready: false, reasons: ['it is away'] } } });
  readiness = () => Promise.reject(new Error('broken'));
  const broken = await fetch(url);
  expect([broken.status, await broken.json()]).toEqual([503, { ready: false }]);
});

it('closing does not wait for whoever is connected', async () => {
  const idle = connect(server.port, '127.0.0.1');
  await once(idle, 'connect');
  // Answered, so the server knows of the other connection as well.
  expect(await ask('GET /healthz')).toBe('HTTP/1.1 200 OK');
  const closed = once(idle, 'close');
  idle.on('error', () => undefined);
  await server.close();
  await closed;
});
