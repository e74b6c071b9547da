/**
 * What the sentinels say of a primary, beyond where it is when a client connects. A primary that they have replaced may
 * go on answering: a client leaves it when one of them says so, and before a delete most of them must name the very
 * process that answers, since one that was cut off together with the old primary still names that. (ioredis' own
 * failoverDetector prints a line for each sentinel that is down.) It must not choose a primary.
 */
import { Redis, type RedisOptions, type SentinelConnectionOptions, SentinelConnector } from 'ioredis';
import { safeError } from './link.ts';

type Options = Pick<
  SentinelConnectionOptions,
  'sentinels' | 'sentinelUsername' | 'sentinelPassword' | 'sentinelTLS' | 'name' | 'connectTimeout'
>;

const SWITCHED = '+switch-master';
const KEEP_ALIVE_MS = 30_000;
/** States of a primary that is about to be replaced. */
const IN_DOUBT = /s_down|o_down|failover_in_progress|disconnected/;

/** A client for each sentinel, by itself; what a command throws is all that is heard of a failure. */
function clientsOf(options: Options, settings: Omit<RedisOptions, 'replyMapping'>): readonly Redis[] {
  const { sentinels = [], sentinelUsername, sentinelPassword, sentinelTLS, connectTimeout } = options;
  return sentinels.map(({ host, port }) => {
    const client = new Redis({
      host,
      port,
      username: sentinelUsername,
      password: sentinelPassword,
      tls: sentinelTLS,
      connectTimeout,
      enableReadyCheck: false,
      keepAlive: KEEP_ALIVE_MS,
      ...settings,
    });
    client.on('error', () => {});
    return client;
  });
}

/** How ioredis finds a primary by its sentinels, and leaves it when one of them says that another took its place. */
export class WatchfulConnector extends SentinelConnector {
  #watchers: readonly Redis[] = [];

  /** ioredis gives the options of its client. */
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions);
  }

  override async connect(...args: Parameters<SentinelConnector['connect']>): ReturnType<SentinelConnector['connect']> {
    const stream = await super.connect(...args);
    this.#forget();
    // Also after QUIT, where nobody calls disconnect().
    stream.once('close', () => this.#forget());
    this.#watchers = clientsOf(this.options, { maxRetriesPerRequest: null });
    for (const watcher of this.#watchers) {
      watcher.on('message', (_channel: string, text: string) => {
        // The name of the primary, then the old and the new address.
        if (text.startsWith(`${this.options.name} `)) this.disconnect();
      });
      watcher.subscribe(SWITCHED).catch(() => {});
    }
    return stream;
  }

  override disconnect(): void {
    this.#forget();
    super.disconnect();
  }

  #forget(): void {
    for (const watcher of this.#watchers) watcher.disconnect();
    this.#watchers = [];
  }
}

export class Sentinels {
  readonly #clients: readonly Redis[];
  readonly #name: string;

  constructor(options: Options, timeoutMs: number) {
    this.#name = options.name ?? '';
    this.#clients = clientsOf(options, {
      lazyConnect: true,
      maxRetriesPerRequest: 0,
      commandTimeout: timeoutMs,
      socketTimeout: timeoutMs,
    });
  }

  /** Why the process with this run_id may not be the primary; `null` when most sentinels name it. */
  async objection(runId: string): Promise<string | null> {
    const answers = await Promise.all(this.#clients.map((client) => this.#objectionOf(client, runId)));
    const objections = answers.filter((answer) => answer !== null);
    if (2 * (answers.length - objections.length) > answers.length) return null;
    return `of ${answers.length} sentinels ${objections.length} do not name it: ${[...new Set(objections)].join('; ')}`;
  }

  close(): void {
    for (const client of this.#clients) client.disconnect();
  }

  async #objectionOf(client: Redis, runId: string): Promise<string | null> {
    try {
      const flat = await client.call('SENTINEL', 'MASTER', this.#name);
      const texts = Array.isArray(flat) ? flat.map(String) : [];
      const field = (name: string) => texts[texts.indexOf(name) + 1] ?? '';
      if (field('runid') !== runId) return `${field('ip')}:${field('port')} is the primary by now, or was restarted`;
      return IN_DOUBT.test(field('flags')) ? `it is taken for lost (${field('flags')})` : null;
    } catch (error) {
      const { host, port } = client.options;
      return `the sentinel ${host}:${port} does not answer (${safeError(error).message})`;
    }
  }
}
