/**
 * The command line: the program, its global flags (made from the table of settings) and its commands, one file each.
 * `run` takes everything from its arguments, so tests call it in process; only `main` touches the process.
 */
import { Command, CommanderError, Help, Option } from 'commander';
import type { CommandName, SettingSpec } from '../config/spec.ts';
import { SETTINGS } from '../config/table.ts';
import { COMMANDS, type Register } from './commands.ts';
import { CliContext, type Environment } from './context.ts';
import { type CliStreams, EXIT, EXIT_CODE_HELP, type ExitCode, errorText, exitCodeOf, UsageError } from './output.ts';
import { fitted } from './table.ts';
import { packageVersion } from './version.ts';

/** Runs one command line (without node and script) and returns its exit code; never throws, never exits. */
export async function run(argv: readonly string[], env: Environment, streams: CliStreams): Promise<ExitCode> {
  const context = new CliContext(env, streams);
  try {
    const program = createProgram(context, await commandsIn(argv));
    await program.parseAsync([...argv], { from: 'user' });
    return context.exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return EXIT.done;
    const failure = thrown instanceof CommanderError ? usageErrorOf(thrown) : thrown;
    if (failure !== null) {
      const text = errorText(failure, { json: isJson(argv), stack: context.verbose });
      streams.stderr.write(isJson(argv) ? text : fitted(text, streams.stderr.columns));
    }
    return failure === null ? EXIT.usage : exitCodeOf(failure);
  }
}

/** The commands that a command line may mean: every word of it that is a command's name, whatever it turns out to be. */
async function commandsIn(argv: readonly string[]): Promise<ReadonlyMap<string, Register>> {
  const asked = COMMANDS.filter(({ name }) => argv.includes(name));
  return new Map(await Promise.all(asked.map(async ({ name, load }) => [name, await load()] as const)));
}

/** The program with all commands: those that were loaded as they are, of the others what the program's help shows. */
export function createProgram(context: CliContext, loaded: ReadonlyMap<string, Register>): Command {
  const program = new Command('s3compact')
    .description('Merges the fragments of files that are kept in S3 in the CurveFS layout.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.streams.stdout.write(text),
      writeErr: (text) => context.streams.stderr.write(text),
      // Reported once, by `run`, in the form that was asked for.
      outputError: () => undefined,
      getOutHelpWidth: () => context.streams.stdout.columns ?? 100,
      getErrHelpWidth: () => context.streams.stderr.columns ?? 100,
    })
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions: usefulGlobalOptions })
    .option('--json', 'write JSON for programs; ids are decimal text')
    .option('--config <file>', 'read settings from a YAML file; flags and environment win over it')
    .option('--color', 'use colours even where the output is no terminal')
    .option('--no-color', 'use no colours')
    .option('--ascii', 'draw with ASCII characters only')
    .addHelpText('afterAll', `\n${EXIT_CODE_HELP}`);
  for (const spec of SETTINGS) program.addOption(optionOf(spec));
  context.attach(program);
  program.hook('preAction', () => context.prepare());
  for (const { name, usage, summary } of COMMANDS) {
    const register = loaded.get(name);
    if (register === undefined) program.command(`${name} ${usage}`.trimEnd()).description(summary);
    else register(program, context);
  }
  return program;
}

/** The flag of a setting. Values are checked with all the others, not one by one here. */
function optionOf(spec: SettingSpec): Option {
  const value = spec.unit === 'switch' ? '[true|false]' : `<${spec.unit}>`;
  const preset = spec.default ?? spec.unset ?? 'unset';
  const text = `${spec.meaning} (${spec.env}; default: ${preset})`;
  return new Option(`--${spec.flag} ${value}`, text).helpGroup(`${spec.group}:`);
}

/** In a command's help: the global flags that matter to it. */
function usefulGlobalOptions(this: Help, command: Command): Option[] {
  // `quarantine list` has the settings of `quarantine`.
  const { parent } = command;
  const name = parent?.parent ? parent.name() : command.name();
  const useless = new Set<string>(
    SETTINGS.filter((spec) => !(spec.commands as readonly CommandName[]).some((one) => one === name)).map(
      (spec) => spec.flag,
    ),
  );
  const all = Help.prototype.visibleGlobalOptions.call(this, command);
  return all.filter((option) => !useless.has(option.name()));
}

/** Commander's complaint as ours; `null` when it was "no command given", where the help was the answer. */
function usageErrorOf(error: CommanderError): UsageError | null {
  if (error.code === 'commander.help') return null;
  return new UsageError(error.message.replace(/^error: /, ''));
}

/** Commander may have failed before it came to the flag. */
function isJson(argv: readonly string[]): boolean {
  return argv.includes('--json');
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
}

if (import.meta.main) await main();
