/**
 * `s3compact completion bash|zsh|fish`: prints a script that completes commands, options and their choices. It is made from
 * the commands as they register themselves and from the table of settings, so that Tab asks no process: starting one would
 * take longer than typing. A library that asks the program at each Tab was left out for that.
 */
import { Argument, Command } from 'commander';
import { type CompletedCommand, type CompletedOption, SHELLS, type Shell } from './completion-scripts.ts';
import type { CliContext } from './context.ts';
import { PROGRAM_OPTIONS, settingsOf } from './global-options.ts';

const HELP = `
  bash:  source <(s3compact completion bash)                      in ~/.bashrc
  zsh:   s3compact completion zsh > "\${fpath[1]}/_s3compact"      once, then start a new shell
  fish:  s3compact completion fish > ~/.config/fish/completions/s3compact.fish`;

/** The table of commands, which this file cannot import: that imports this one. */
type Loaded = readonly {
  readonly name: string;
  readonly summary: string;
  readonly register: (command: Command, context: CliContext) => void;
}[];

/** `loaded`: all commands; they are loaded only when the script is made. */
export function registerCompletion(command: Command, context: CliContext, loaded: () => Promise<Loaded>): void {
  command
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SHELLS)))
    .addHelpText('after', HELP)
    .action(async (shell: Shell) => {
      context.data(SHELLS[shell](commandsToComplete(await loaded(), context)));
    });
}

function commandsToComplete(loaded: Loaded, context: CliContext): readonly CompletedCommand[] {
  const program = new Command();
  for (const { name, summary, register } of loaded) register(program.command(name).description(summary), context);
  return program.commands.map((command) => ({
    name: command.name(),
    summary: command.description(),
    words: [
      ...command.commands.map((one) => one.name()),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    ],
    options: [
      ...[command, ...command.commands].flatMap(({ options }) =>
        options.map(({ long, description, required }) => ({ flag: long ?? '', summary: description, takes: required })),
      ),
      ...settingsOf(command.name()).map(
        (spec): CompletedOption => ({
          flag: `--${spec.flag}`,
          summary: spec.meaning,
          takes: spec.unit !== 'switch',
          ...(spec.unit === 'choice' ? { choices: spec.choices } : {}),
        }),
      ),
      ...PROGRAM_OPTIONS.map(([flags, summary]) => {
        const [flag = '', value] = flags.split(' ');
        return { flag, summary, takes: value !== undefined, ...(value === '<file>' ? { file: true } : {}) };
      }),
      { flag: '--help', summary: 'print the help', takes: false },
    ],
  }));
}
