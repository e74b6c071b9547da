/**
 * The scripts for bash, zsh and fish: data in, text out. They stand alone because each is another language; none may run
 * s3compact. Summaries are shown by zsh and fish only; bash has no place for them.
 */
export interface CompletedOption {
  /** With its dashes. */
  readonly flag: string;
  readonly summary: string;
  /** A value follows. */
  readonly takes: boolean;
  readonly choices?: readonly string[];
  /** The value is a path. */
  readonly file?: boolean;
}

export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  /** What may follow: commands of its own, or the choices of an argument. */
  readonly words: readonly string[];
  readonly options: readonly CompletedOption[];
}

export const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;
export type Shell = keyof typeof SHELLS;

/** In single quotes, as all three shells read it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** One sentence, and no character that means something to zsh's or fish's lists. */
function brief(text: string): string {
  const [first = ''] = text.split(/[.;](?: |$)/);
  return first.replace(/[\\[\]`$]/g, '');
}

function optionsOf(commands: readonly CompletedCommand[]): readonly CompletedOption[] {
  const all = new Map(commands.flatMap(({ options }) => options.map((option) => [option.flag, option] as const)));
  return [...all.values()];
}

/** `case` branches, by the word before: what a value may be. Of a value that nobody can guess: nothing. */
function valueCases(commands: readonly CompletedCommand[], say: (words: string) => string, files: string): string {
  const taking = optionsOf(commands).filter(({ takes }) => takes);
  const plain = taking.filter(({ choices, file }) => choices === undefined && file !== true);
  const lines = taking.flatMap(({ flag, choices, file }) => {
    if (file === true) return [`    ${flag}) ${files}; return ;;`];
    return choices === undefined ? [] : [`    ${flag}) ${say(choices.join(' '))}; return ;;`];
  });
  return [...lines, `    ${plain.map(({ flag }) => flag).join('|')}) return ;;`].join('\n');
}

function bashScript(commands: readonly CompletedCommand[]): string {
  const say = (words: string): string => `COMPREPLY=($(compgen -W ${quoted(words)} -- "$cur"))`;
  const names = commands.map(({ name }) => name);
  const branches = commands.map(
    ({ name, words, options }) =>
      `    ${name}) words=${quoted(words.join(' '))} options=${quoted(options.map(({ flag }) => flag).join(' '))} ;;`,
  );
  return `# bash completion for s3compact
_s3compact() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} word command= words options
  COMPREPLY=()
  case $prev in
${valueCases(commands, say, 'COMPREPLY=($(compgen -f -- "$cur"))')}
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in ${names.join('|')}) command=$word; break ;; esac
  done
  case $command in
${branches.join('\n')}
    *) words=${quoted(names.join(' '))} options='--json --config --help --help-settings --version' ;;
  esac
  if [[ $cur == -* ]]; then words=$options; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _s3compact s3compact`;
}

function zshScript(commands: readonly CompletedCommand[]): string {
  const say = (words: string): string => `compadd -- ${words}`;
  const described = (pairs: readonly (readonly [string, string])[]): string =>
    pairs.map(([word, summary]) => quoted(`${word.replaceAll(':', '\\:')}:${brief(summary)}`)).join(' ');
  const branches = commands.map(
    ({ name, words, options }) =>
      `    ${name}) values=(${words.map(quoted).join(' ')}) options=(${described(options.map(({ flag, summary }) => [flag, summary]))}) ;;`,
  );
  return `#compdef s3compact
_s3compact() {
  local word command=
  local -a values options
  case \${words[CURRENT-1]} in
${valueCases(commands, say, '_files')}
  esac
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case $word in ${commands.map(({ name }) => name).join('|')}) command=$word; break ;; esac
  done
  case $command in
${branches.join('\n')}
    *) values=(${described(commands.map(({ name, summary }) => [name, summary]))}) options=(--json --config --help --help-settings --version) ;;
  esac
  if [[ \${words[CURRENT]} == -* ]]; then _describe -o option options; else _describe word values; fi
}
if [[ $funcstack[1] == _s3compact ]]; then _s3compact "$@"; else compdef _s3compact s3compact; fi`;
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const all = commands.map(({ name }) => name).join(' ');
  const lines = commands.flatMap(({ name, summary, words, options }) => [
    `complete -c s3compact -f -n 'not __fish_seen_subcommand_from ${all}' -a ${name} -d ${quoted(brief(summary))}`,
    ...words.map((word) => `complete -c s3compact -f -n '__fish_seen_subcommand_from ${name}' -a ${word}`),
    ...options.map(({ flag, summary: text, takes, choices, file }) => {
      const value = choices === undefined ? '' : ` -f -a ${quoted(choices.join(' '))}`;
      const needs = takes ? ` -r${file === true ? ' -F' : ''}${value}` : ' -f';
      return `complete -c s3compact -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}${needs} -d ${quoted(brief(text))}`;
    }),
  ]);
  return ['# fish completion for s3compact', ...lines].join('\n');
}
