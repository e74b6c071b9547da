/**
 * What every command shares: settings from flags, environment and file, streams, logger, colours and connections.
 * The only place of the command line that turns settings into clients. It knows no command.
 */
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import type { Command } from 'commander';
import pc from 'picocolors';
import type { loadSettings } from '../config/load.ts';
import { SETTINGS_FILE_BYTES_MAX, unknownNames, unknownText } from '../config/sources.ts';
import { SETTINGS, type Settings } from '../config/table.ts';
import { CompactError, toError } from '../errors.ts';
import type { MetadataStore } from '../metadata/port.ts';
import type { SliceVolume, VolumeSetting } from '../metadata/slice-volume.ts';
import type { InodeKey } from '../model.ts';
import type { createLogger, LOG_EVENTS, Logger } from '../observe/log.ts';
import { type LayoutName, layoutOf } from '../urls/juicefs.ts';
import type { Clients, OpenOptions } from '../wiring/clients.ts';
import type { WorkClients } from '../wiring/work-clients.ts';
import { type CliStreams, EXIT, type ExitCode, jsonParts, UsageError } from './output.ts';
import type { PictureStyle } from './picture.ts';
import { fitted, type TextStyle } from './table.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Options of the program itself; settings come on top of these. */
interface GlobalOptions {
  readonly json?: boolean;
  readonly config?: string;
  readonly color?: boolean;
  readonly ascii?: boolean;
}

/** Somebody waits: a server that is away is said to be within 3 s, the start of this process included. */
const CONNECT_MAX_MS = 1_500;

/** JSON that is written at a time. */
const JSON_CHARACTERS = 64 * 1024;

/** What only a command that acts needs. */
interface Loaded {
  readonly loadSettings: typeof loadSettings;
  readonly createLogger: typeof createLogger;
  readonly LOG_EVENTS: typeof LOG_EVENTS;
}

interface ClientsWish extends Pick<OpenOptions, 'metadata' | 'forRuns'> {
  readonly logger?: Logger;
}

export class CliContext {
  /** What `run` returns when the command ends without throwing. */
  exitCode: ExitCode = 0;
  /** What work that was stopped from outside ends with: Ctrl-C makes it another. */
  stopCode: ExitCode = EXIT.retry;
  readonly env: Environment;
  readonly streams: CliStreams;
  #program: Command | undefined;
  #loaded: Loaded | undefined;
  #settings: Settings | undefined;
  #logger: Logger | undefined;
  #quiet: Logger | undefined;

  constructor(env: Environment, streams: CliStreams) {
    this.env = env;
    this.streams = streams;
  }

  /** Called once, by `run`, before any command acts. */
  attach(program: Command): void {
    this.#program = program;
  }

  /** Loads what every command needs that acts; called once, by `run`, when the arguments are known to be right. */
  async prepare(): Promise<void> {
    const [{ loadSettings }, { createLogger, LOG_EVENTS }] = await Promise.all([
      import('../config/load.ts'),
      import('../observe/log.ts'),
    ]);
    this.#loaded = { loadSettings, createLogger, LOG_EVENTS };
  }

  /** Of the package, from its package.json, wherever this file was built to; or `unknown`. */
  get version(): string {
    const path = findPackageJSON('..', import.meta.url);
    const content: unknown = path === undefined ? {} : JSON.parse(readFileSync(path, 'utf8'));
    const { version } = content as { readonly version?: unknown };
    return typeof version === 'string' ? version : 'unknown';
  }

  get options(): GlobalOptions {
    return this.#program?.opts<GlobalOptions>() ?? {};
  }

  /** Whether programs read the output. */
  get json(): boolean {
    return this.options.json === true;
  }

  /** The checked settings, read once. Throws `settings-invalid` (halt) with every problem. */
  get settings(): Settings {
    if (this.#settings !== undefined) return this.#settings;
    const { loadSettings, LOG_EVENTS } = this.#parts;
    this.#settings = loadSettings({
      flags: this.#flags(),
      env: this.env,
      ...(this.options.config === undefined ? {} : { file: readSettingsFile(this.options.config) }),
    });
    // In a file it is an error. The environment may be meant for another version, too.
    for (const name of unknownNames(this.env))
      this.logger.warn({ event: LOG_EVENTS.settingUnknown, name }, unknownText(name));
    return this.#settings;
  }

  get logger(): Logger {
    this.#logger ??= this.#parts.createLogger({ level: this.settings.logLevel, destination: this.streams.stderr });
    return this.#logger;
  }

  /** For commands whose answer says it all: warnings and worse, unless more is asked for. */
  get quietLogger(): Logger {
    const { logLevel } = this.settings;
    if (logLevel !== 'info') return this.logger;
    this.#quiet ??= this.#parts.createLogger({ level: 'warn', destination: this.streams.stderr });
    return this.#quiet;
  }

  /** Whether stack traces are wanted; asked for even where the settings are wrong. */
  get verbose(): boolean {
    const level = this.#flags()['log-level'] ?? this.env['S3COMPACT_LOG_LEVEL'];
    return level === 'debug' || level === 'trace';
  }

  get colors(): ReturnType<typeof pc.createColors> {
    return pc.createColors(this.#color());
  }

  /** How text is to look on this output. */
  get style(): TextStyle {
    const { dim, bold, green, yellow, red } = this.colors;
    const { columns } = this.streams.stdout;
    return { dim, bold, green, yellow, red, width: columns };
  }

  /** How pictures are to be drawn on this output. */
  get picture(): PictureStyle {
    return { color: this.#color(), ascii: this.#ascii(), width: this.streams.stdout.columns };
  }

  /** Data, on standard output. */
  data(text: string): void {
    this.streams.stdout.write(`${fitted(text, this.streams.stdout.columns)}\n`);
  }

  /** Data for programs, exact, on standard output. */
  dataJson(value: unknown): void {
    let text = '';
    for (const part of jsonParts(value)) {
      text += part;
      if (text.length < JSON_CHARACTERS) continue;
      this.streams.stdout.write(text);
      text = '';
    }
    this.streams.stdout.write(`${text}\n`);
  }

  /** What a command found out: for programs, or in words. */
  answer(json: unknown, words: () => string): void {
    if (this.json) this.dataJson(json);
    else this.data(words());
  }

  /** Words about the data, on standard error. */
  note(text: string): void {
    this.streams.stderr.write(`${fitted(text, this.streams.stderr.columns)}\n`);
  }

  /** Runs `work` connected to everything; the S3 SDK and the queue are loaded only now. What is opened is closed whatever happens. */
  async withClients<T>(wish: ClientsWish, work: (clients: Clients) => Promise<T>): Promise<T> {
    const { logger = this.logger, metadata = 'required' } = wish;
    const { openClients } = await import('../wiring/clients.ts');
    return used(await openClients(this.settings, logger, { connectMs: this.connectMs, metadata }), work);
  }

  /** The same with what works on the files, whatever their layout. */
  async withWork<T>(wish: ClientsWish, work: (clients: WorkClients) => Promise<T>): Promise<T> {
    return used(await this.openWork(wish), work);
  }

  /** Who takes it closes it. */
  async openWork({ logger, metadata = 'required', forRuns = false }: ClientsWish): Promise<WorkClients> {
    const { openWork } = await import('../wiring/volume-clients.ts');
    return openWork(this.settings, logger ?? this.logger, { connectMs: this.connectMs, metadata, forRuns });
  }

  /** The same with the metadata store alone. */
  async withMetadata<T>(work: (metadata: MetadataStore) => Promise<T>): Promise<T> {
    const { openMetadata, requireAnswer } = await import('../wiring/open-metadata.ts');
    return used(await openMetadata(this.settings), async (metadata) => {
      await requireAnswer(metadata, this.settings.metadataUrl, this.connectMs);
      return work(metadata);
    });
  }

  /** The same for one inode, which a failure of the work names. */
  withInode<T>(key: InodeKey, work: (metadata: MetadataStore) => Promise<T>): Promise<T> {
    return this.withMetadata((metadata) =>
      work(metadata).catch((error: unknown) => {
        throw error instanceof CompactError ? error.withInode(key) : error;
      }),
    );
  }

  /** Runs the form of a command that fits the layout of the files. */
  byLayout<T>(forms: Readonly<Record<LayoutName, () => Promise<T>>>): Promise<T> {
    return forms[layoutOf(this.settings.metadataUrl)]();
  }

  /** As `withMetadata`, with the volume of slices. */
  async withVolume<T>(fsId: number, work: (volume: SliceVolume, setting: VolumeSetting) => Promise<T>): Promise<T> {
    const { openVolume, requireVolume } = await import('../wiring/open-volume.ts');
    return used(await openVolume(this.settings, { connectMs: this.connectMs }), async (volume) =>
      work(volume, await requireVolume(fsId, volume)),
    );
  }

  /** How long a server may take to be there. */
  get connectMs(): number {
    return Math.min(this.settings.redisTimeoutMs, CONNECT_MAX_MS);
  }

  get #parts(): Loaded {
    if (this.#loaded === undefined) throw new TypeError('the settings are asked for before a command acts');
    return this.#loaded;
  }

  /** Settings given as flags, by flag name. */
  #flags(): Record<string, string | undefined> {
    const names = new Set<string>(SETTINGS.map((spec) => spec.flag));
    const given: Readonly<Record<string, unknown>> = this.#program?.opts() ?? {};
    const flags: Record<string, string> = {};
    for (const option of this.#program?.options ?? []) {
      const value = given[option.attributeName()];
      if (names.has(option.name()) && value !== undefined) flags[option.name()] = String(value);
    }
    return flags;
  }

  /** The flag, then the customs of terminals: NO_COLOR and FORCE_COLOR, colours on terminals only. */
  #color(): boolean {
    const { color } = this.options;
    if (color !== undefined) return color;
    if (isSet(this.env['NO_COLOR'])) return false;
    if (isSet(this.env['FORCE_COLOR'])) return true;
    return this.streams.stdout.isTTY === true && this.env['TERM'] !== 'dumb';
  }

  /** The flag, or a locale that is set and is not UTF-8. */
  #ascii(): boolean {
    const { ascii } = this.options;
    if (ascii !== undefined) return ascii;
    const locale = [this.env['LC_ALL'], this.env['LC_CTYPE'], this.env['LANG']].find(isSet);
    return locale !== undefined && !/utf-?8/i.test(locale);
  }
}

async function used<Opened extends { close(): Promise<void> }, T>(
  opened: Opened,
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

function readSettingsFile(path: string): { path: string; text: string } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CompactError(`--config ${path}: the file cannot be read (${toError(error).message})`, {
      kind: 'halt',
      code: 'settings-invalid',
      cause: error,
    });
  }
  if (text.length > SETTINGS_FILE_BYTES_MAX) throw new UsageError(`--config ${path}: the file is larger than 1 MiB`);
  return { path, text };
}
