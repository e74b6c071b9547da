/**
 * The console as a server: where it may listen, how long a request may take, how it ends. Without a token it listens on
 * addresses of this machine alone, and answers only to their names. It knows no page.
 */
import { isIP } from 'node:net';
import { serve } from '@hono/node-server';
import type { Hono } from 'hono';
import pLimit from 'p-limit';
import { planPolicy } from '../compact/choose-chunks.ts';
import type { Settings } from '../config/index.ts';
import { CompactError, toError } from '../errors.ts';
import type { SliceVolume } from '../metadata/slice-volume.ts';
import { LOG_EVENTS, type Logger } from '../observe/log.ts';
import { askCounts } from '../view/ask-status.ts';
import type { Clients } from '../wiring/clients.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import type { ActClients } from './acts.ts';
import { type AppParts, consoleApp } from './app.ts';
import { Door, type Visited } from './door.ts';
import { Sampler } from './sampler.ts';
import { volumeApp } from './slices/volume-app.ts';
import { VolumeWalk } from './slices/volume-walk.ts';
import { FileWalks } from './worst-files.ts';

/** Browsers hold several connections each. */
const CONNECTIONS_MAX = 1_000;
const REQUEST_TIMEOUT_MS = 10_000;

const monotonicMs = () => performance.now();

export interface RunningConsole {
  readonly url: string;
  close(): Promise<void>;
}

/** Where it listens, and what it may: all of it from the settings and the environment. */
interface Serving {
  readonly settings: Settings;
  readonly log: Logger;
  readonly token?: string;
  /** What acts would be carried out with. */
  readonly clients?: ActClients;
}

/** For files in the layout of blocks. Throws `settings-invalid` (halt) where it may not listen so, or cannot. */
export async function startConsole(clients: Clients, log: Logger, token?: string): Promise<RunningConsole> {
  const { settings, metadata, ledger } = clients;
  let sampler: Sampler | undefined;
  const running = await serveApp({ settings, log, token, clients }, (parts) => {
    sampler = samplerOf(clients, parts);
    const walks = new FileWalks({ metadata, ledger, policy: planPolicy(settings), monotonicMs });
    return consoleApp({ ...parts, clients, sampler, walks, prometheus: settings.consolePrometheus });
  });
  sampler?.start();
  return running;
}

/** For a volume in the layout of slices; without clients it is only shown. Throws as the other one. */
export function startVolumeConsole(
  volume: SliceVolume,
  settings: Settings,
  { log, token, clients }: Pick<Serving, 'log' | 'token' | 'clients'>,
): Promise<RunningConsole> {
  return serveApp({ settings, log, token, clients }, (parts) => {
    const walk = new VolumeWalk({ volume, monotonicMs, signal: parts.signal });
    const { acts } = parts;
    if (acts === undefined) return volumeApp({ ...parts, volume, settings, walk });
    return volumeApp({ ...parts, volume, settings, walk, work: { clients: acts, sampler: samplerOf(acts, parts) } });
  });
}

/** It ends with the console. */
function samplerOf(clients: WorkClients, { onFault, signal }: AppParts): Sampler {
  const sampler = new Sampler({ ask: () => askCounts(clients), monotonicMs, onFault });
  signal.addEventListener('abort', () => sampler.close());
  return sampler;
}

async function serveApp(serving: Serving, appOf: (parts: AppParts) => Hono<Visited>): Promise<RunningConsole> {
  const { settings, log, token, clients } = serving;
  // An empty variable counts as not set, as with every setting.
  const hasToken = token !== undefined && token !== '';
  const { host, port } = listenAddress(settings.consoleListen, hasToken);
  if (settings.consoleActions === true && !hasToken)
    throw refusal('--allow-actions needs a log-in, or anybody could act: set S3COMPACT_CONSOLE_TOKEN');
  const onFault = (error: unknown) =>
    log.error({ event: LOG_EVENTS.consoleFault, err: toError(error) }, 'a page failed');
  const onWrong = (remote: string) => log.warn({ event: LOG_EVENTS.consoleRefused, remote }, 'a wrong token was shown');
  const ending = new AbortController();
  const app = appOf({
    turns: pLimit(1),
    onFault,
    log,
    signal: ending.signal,
    acts: settings.consoleActions === true ? clients : undefined,
    ...(hasToken ? { door: new Door(token, { monotonicMs, onWrong }) } : { isOwnHost: isLoopbackHost }),
  });
  const { server, port: taken } = await listen(app.fetch, host, port);
  const url = `http://${isIP(host) === 6 ? `[${host}]` : host}:${taken}/`;
  log.info({ event: LOG_EVENTS.consoleStarted, url }, `the console is at ${url}`);
  return {
    url,
    close: () => {
      ending.abort();
      return new Promise((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      });
    },
  };
}

function listen(fetch: Hono<Visited>['fetch'], hostname: string, port: number) {
  return new Promise<{ server: ReturnType<typeof serve>; port: number }>((resolve, reject) => {
    const serverOptions = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS };
    const server = serve({ fetch, hostname, port, serverOptions }, (info) => resolve({ server, port: info.port }));
    if ('maxConnections' in server) server.maxConnections = CONNECTIONS_MAX;
    server.once('error', (error: Error) => {
      reject(refusal(`the console cannot listen on ${hostname}:${port}: ${error.message}`, error));
    });
  });
}

/** The parts of `host:port`. Throws `settings-invalid` (halt) for an address that others reach, without a token. */
export function listenAddress(text: string, hasToken: boolean): { readonly host: string; readonly port: number } {
  const at = text.lastIndexOf(':');
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  const port = Number(text.slice(at + 1));
  if (port > 65_535) throw refusal(`--listen ${text}: there is no such port`);
  if (hasToken || isLoopback(host)) return { host, port };
  throw refusal(
    `--listen ${text}: without S3COMPACT_CONSOLE_TOKEN there is no log-in, and the console listens on this machine's own addresses only (127.0.0.1, ::1, localhost); set a token, or reach it through "kubectl port-forward" or "ssh -L"`,
  );
}

function refusal(message: string, cause?: Error): CompactError {
  return new CompactError(message, { kind: 'halt', code: 'settings-invalid', cause });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** A name that leads here from another place is a page of somebody else's (DNS rebinding). */
export function isLoopbackHost(host: string): boolean {
  return isLoopback(host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
}
