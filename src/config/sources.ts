/**
 * Where each setting's text comes from: flag, environment, file or default, in this order of precedence.
 * It stands alone so that the rest sees one text per setting with its origin. It judges no value.
 */
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { redactText } from '../redact.ts';
import { CONSOLE_TOKEN } from './rows-console.ts';
import { SETTINGS } from './table.ts';

/** A settings file is a page of text; more is a mistake (I8). */
export const SETTINGS_FILE_BYTES_MAX = 1024 * 1024;

/** Texts as given; nothing is read from the process. */
export interface SettingSources {
  /** By flag name without dashes, e.g. `grace`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The file given with `--config`: YAML, `grace: 10m` or `S3COMPACT_GRACE: 10m`. */
  readonly file?: { readonly path: string; readonly text: string };
}

/** One setting's text; `label` names it the way it was given, e.g. `--grace` or `S3COMPACT_GRACE`, `place` says where. */
export interface Given {
  readonly text: string;
  readonly label: string;
  readonly place: string;
}

/** The text of every setting that is given or has a default, by key; what is wrong with the file goes into `problems`. */
export function collect(sources: SettingSources, problems: string[]): Map<string, Given> {
  const { flags = {}, env = {} } = sources;
  const file = sources.file === undefined ? new Map<string, Given>() : fromFile(sources.file, problems);
  const out = new Map<string, Given>();
  for (const spec of SETTINGS) {
    const given =
      asGiven(flags[spec.flag], `--${spec.flag}`, 'flag') ??
      // An empty variable counts as not set: that is how compose files and charts write "nothing".
      asGiven(env[spec.env] || undefined, spec.env, 'environment') ??
      file.get(spec.key) ??
      asGiven(spec.default, `--${spec.flag}`, 'default');
    if (given !== undefined) out.set(spec.key, given);
  }
  return out;
}

/** Variables that begin as ours do and are not for us: what Kubernetes says of Services, and what this project's own tests take. */
const NOT_OURS = /_SERVICE_(?:HOST|PORT(?:_\w+)?)$|_PORT_\d+_[A-Z]+(?:_\w+)?$|^S3COMPACT_(?:TEST|SIM|MUTANTS|REQUIRE)_/;

/** Names in the environment that look like a setting and are none: mistyped, or of another version. */
export function unknownNames(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = new Set<string>([...SETTINGS.map((row) => row.env), CONSOLE_TOKEN]);
  return Object.entries(env).flatMap(([name, value = '']) => {
    const isOurs = name.startsWith('S3COMPACT_') && !NOT_OURS.test(name) && !/^(?:tcp|udp|sctp):/.test(value);
    return isOurs && value !== '' && !known.has(name) ? [name] : [];
  });
}

export function unknownText(name: string): string {
  return `${name} is no setting and changes nothing; is it mistyped?`;
}

function asGiven(text: string | undefined, label: string, place: string): Given | undefined {
  return text === undefined ? undefined : { text, label, place };
}

function fromFile(file: { readonly path: string; readonly text: string }, problems: string[]): Map<string, Given> {
  const out = new Map<string, Given>();
  for (const [name, value] of fileEntries(file, problems)) {
    const spec = SETTINGS.find((row) => row.flag === name || row.env === name);
    if (spec === undefined) {
      problems.push(`${redactText(name)} (file ${file.path}): no such setting; docs/settings.md lists them`);
    } else if (typeof value !== 'string' || value === '') {
      problems.push(`${name} (file ${file.path}): needs one value, given as plain text`);
    } else if (out.has(spec.key)) {
      problems.push(`${name} (file ${file.path}): given twice, as ${spec.flag} and as ${spec.env}`);
    } else {
      out.set(spec.key, { text: value, label: name, place: `file ${file.path}` });
    }
  }
  return out;
}

/** Keys and values of the file as they are spelled: the failsafe schema leaves every scalar a string. */
function fileEntries(
  file: { readonly path: string; readonly text: string },
  problems: string[],
): readonly [string, unknown][] {
  // Only where there is a file: it is a fifth of what every command loads. Required, since settings are read in one step.
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof Yaml;
  const document = parseDocument(file.text, { schema: 'failsafe', prettyErrors: false });
  const [fault] = document.errors;
  if (fault !== undefined) {
    // Only the code and the place: YAML's messages quote the text, which may hold a password.
    const line = file.text.slice(0, fault.pos[0]).split('\n').length;
    problems.push(`--config ${file.path}: not YAML at line ${line} (${fault.code})`);
    return [];
  }
  let content: unknown;
  try {
    content = document.toJS();
  } catch {
    // Its words hold the alias, which may be a value that was meant.
    problems.push(
      `--config ${file.path}: an alias in it names nothing, or too much; put values that begin with * in quotes`,
    );
    return [];
  }
  if (content === null || content === '' || content === undefined) return [];
  if (typeof content !== 'object' || Array.isArray(content)) {
    problems.push(`--config ${file.path}: not a list of "name: value" lines`);
    return [];
  }
  return Object.entries(content);
}
