/**
 * The command line: the program, its global flags (made from the table of settings) and its commands, one file each.
 * `run` takes everything from its arguments, so tests call it in process; only `main` touches the process.
 */
import { Command, CommanderError, Help, type Option } from 'commander';
import { SETTINGS } from '../config/table.ts';
import { CompactError } from '../errors.ts';
import { layoutOf } from '../urls/juicefs.ts';
import { COMMANDS, type Register } from './commands.ts';
import { CliContext, type Environment } from './context.ts';
import { HELP_SETTINGS, optionOf, PROGRAM_OPTIONS, settingsOf } from './global-options.ts';
import {
  type CliStreams,
  type ErrorStyle,
  EXIT,
  EXIT_CODE_HELP,
  type ExitCode,
  errorText,
  exitCodeOf,
  UsageError,
} from './output.ts';
import { fitted } from './table.ts';

/** Runs one command line (without node and script) and returns its exit code; never throws, never exits. */
export async function run(argv: readonly string[], env: Environment, streams: CliStreams): Promise<ExitCode> {
  const context = new CliContext(env, streams);
  try {
    const program = createProgram(context, await commandsIn(argv), argv.includes(HELP_SETTINGS));
    // Commander knows one flag for help, and takes it wherever it stands.
    const words = argv.map((word) => (word === HELP_SETTINGS ? '--help' : word));
    await program.parseAsync(words, { from: 'user' });
    return context.exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return EXIT.done;
    const failure = thrown instanceof CommanderError ? usageErrorOf(thrown) : thrown;
    if (failure !== null) {
      const text = errorText(failure, styleOf(argv, context));
      streams.stderr.write(argv.includes('--json') ? text : fitted(text, streams.stderr.columns));
    }
    return failure === null ? EXIT.usage : exitCodeOf(failure, context.stopCode);
  }
}

/** The commands that a command line may mean: every word of it that is a command's name, whatever it turns out to be. */
async function commandsIn(argv: readonly string[]): Promise<ReadonlyMap<string, Register>> {
  const asked = COMMANDS.filter(({ name }) => argv.includes(name));
  return new Map(await Promise.all(asked.map(async ({ name, load }) => [name, await load()] as const)));
}

/** The program with all commands: those that were loaded as they are, of the others what the program's help shows. */
function createProgram(context: CliContext, loaded: ReadonlyMap<string, Register>, allSettings: boolean): Command {
  const program = new Command('s3compact')
    .description('Merges the fragments of files that CurveFS, JuiceFS and their like keep in S3.')
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({
      // Commander wraps what it words itself, and not what is added to it.
      writeOut: (text) => context.streams.stdout.write(fitted(text, context.streams.stdout.columns)),
      writeErr: (text) => context.streams.stderr.write(fitted(text, context.streams.stderr.columns)),
      // Reported once, by `run`, in the form that was asked for.
      outputError: () => undefined,
      getOutHelpWidth: () => context.streams.stdout.columns ?? 100,
      getErrHelpWidth: () => context.streams.stderr.columns ?? 100,
    })
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions: usefulGlobalOptions, formatHelp: commandsFirst })
    .addHelpText('afterAll', `\n${EXIT_CODE_HELP}`);
  for (const [flags, text] of PROGRAM_OPTIONS) program.option(flags, text);
  for (const spec of SETTINGS) program.addOption(optionOf(spec, allSettings));
  context.attach(program);
  program.hook('preAction', async (_program, action) => {
    await context.prepare();
    requireLayout(action, context);
  });
  for (const { name, usage, summary } of COMMANDS) {
    const register = loaded.get(name);
    const command = program.command(register === undefined ? `${name} ${usage}`.trimEnd() : name).description(summary);
    register?.(command, context);
  }
  return program;
}

/** Refuses a command that cannot work on the files of this metadata, before anything is opened. */
function requireLayout(action: Command, context: CliContext): void {
  const name = nameOf(action);
  const only = COMMANDS.find((row) => row.name === name)?.only;
  if (only === undefined || only === layoutOf(context.settings.metadataUrl)) return;
  const others = COMMANDS.filter((row) => row.only !== 'blocks' && row.name !== 'completion');
  throw new CompactError(
    only === 'slices'
      ? `"s3compact ${name}" looks at JuiceFS volumes (METADATA_URL=juicefs+redis://…); for other file systems "s3compact scan FS --dry-run" tells what could be saved`
      : `"s3compact ${name}" does not work on a JuiceFS volume; these do: ${others.map((row) => row.name).join(', ')}; nothing was changed`,
    { kind: 'halt', code: 'settings-invalid' },
  );
}

/** `quarantine list` is `quarantine`. */
function nameOf(command: Command): string {
  return command.parent?.parent ? command.parent.name() : command.name();
}

/** In a command's help: the global flags that matter to it. */
function usefulGlobalOptions(this: Help, command: Command): Option[] {
  const used = new Set(settingsOf(nameOf(command)).map(({ flag }) => flag));
  const all = Help.prototype.visibleGlobalOptions.call(this, command);
  return all.filter((option) => used.has(option.name()) || !SETTINGS.some(({ flag }) => flag === option.name()));
}

/** The program's help tells what it can do before it tells how that is set. */
function commandsFirst(this: Help, command: Command, helper: Help): string {
  const text = Help.prototype.formatHelp.call(this, command, helper);
  if (command.parent !== null) return text;
  const parts = text.trimEnd().split('\n\n');
  const [usage = '', description = '', ...rest] = parts.filter((part) => !part.startsWith('Commands:'));
  const commands = parts.filter((part) => part.startsWith('Commands:'));
  return `${[usage, description, ...commands, ...rest].join('\n\n')}\n`;
}

/** Commander's complaint as ours; `null` when it was "no command given", where the help was the answer. */
function usageErrorOf(error: CommanderError): UsageError | null {
  if (error.code === 'commander.help') return null;
  return new UsageError(error.message.replace(/^error: /, ''));
}

/** Commander may have failed before it came to the flag. */
function styleOf(argv: readonly string[], { verbose, stopCode }: CliContext): ErrorStyle {
  const command = COMMANDS.find(({ name }) => argv.includes(name))?.name;
  return { json: argv.includes('--json'), stack: verbose, stopCode, command };
}

/** The process entry: exit code by `exitCode`, so that streams are flushed and open handles are noticed. */
export async function main(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    // `s3compact inspect … | head` ends when head has seen enough; that is no failure.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  process.exitCode = await run(process.argv.slice(2), process.env, process);
  // What was written is out first. A connection that a fault left open must not keep the process.
  for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.write('', resolve));
  process.exit();
}

if (import.meta.main) await main();
