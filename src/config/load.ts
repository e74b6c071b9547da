/**
 * From sources to checked settings: every problem is found and reported at once, so that an operator mends a deployment in
 * one go. Pure: the environment and the file's text are passed in. It must never print a password.
 */
import { CompactError } from '../errors.ts';
import { redactText, redactUrl } from '../redact.ts';
import { JUICEFS_SCHEME, withMetaPassword } from '../urls/juicefs.ts';
import { RELATIONS } from './relations.ts';
import { schemaOf } from './schemas.ts';
import { collect, type Given, type SettingSources, unknownNames, unknownText } from './sources.ts';
import type { SettingSpec } from './spec.ts';
import { allowedOf, JUICEFS_PASSPHRASE, SETTINGS, type SettingKey, type Settings } from './table.ts';

/**
 * The settings that the sources give: flag over environment over file over default. Throws one `settings-invalid`
 * (halt) that lists every problem: the setting as it was given, where, its value with secrets hidden, what is allowed.
 */
export function loadSettings(sources: SettingSources): Settings {
  const problems: string[] = [];
  const given = collect(sources, problems);
  const values = new Map<string, string | number | boolean>();
  for (const spec of SETTINGS) {
    const text = given.get(spec.key);
    if (text === undefined) continue;
    const parsed = schemaOf(spec).safeParse(text.text);
    if (parsed.success) values.set(spec.key, parsed.data);
    else problems.push(problemOf(spec, text, parsed.error.issues[0]?.message ?? 'is not valid'));
  }
  deriveValues(values, given, sources.env?.['META_PASSWORD'] ?? '');
  const passphrase = sources.env?.[JUICEFS_PASSPHRASE] ?? '';
  if (passphrase !== '') values.set('juicefsPassphrase', passphrase);
  // Every row put its own type of value under its own key, so the map has the shape that the table gives.
  const settings = Object.fromEntries(values) as unknown as Settings;
  problems.push(...brokenRelations(settings, given));
  if (problems.length === 0) return settings;
  const count = problems.length === 1 ? '1 setting is wrong' : `${problems.length} settings are wrong`;
  // Perhaps the one that was meant.
  const lines = [...problems, ...unknownNames(sources.env ?? {}).map(unknownText)];
  throw new CompactError(`${count}; nothing was done:\n${lines.map((line) => `  - ${line}`).join('\n')}`, {
    kind: 'halt',
    code: 'settings-invalid',
  });
}

/** Values that unset settings take from others. A wrong REDIS_URL is reported once, not for METADATA_URL again. */
function deriveValues(
  values: Map<string, string | number | boolean>,
  given: ReadonlyMap<string, Given>,
  metaPassword: string,
): void {
  const [redisUrl, metadataUrl] = [values.get('redisUrl'), values.get('metadataUrl')];
  if (!given.has('metadataUrl') && redisUrl !== undefined) values.set('metadataUrl', redisUrl);
  if (typeof metadataUrl === 'string' && metadataUrl.startsWith(JUICEFS_SCHEME))
    values.set('metadataUrl', withMetaPassword(metadataUrl, metaPassword));
}

function brokenRelations(settings: Settings, given: ReadonlyMap<string, Given>): string[] {
  const valid = new Set(Object.keys(settings));
  return RELATIONS.filter(({ uses, holds }) => uses.every((key) => valid.has(key)) && !holds(settings)).map(
    ({ broken }) => broken((key) => say(key, given), settings),
  );
}

/** `S3COMPACT_GRACE = 10m (environment)`, the way the operator gave it. */
function say(key: SettingKey, given: ReadonlyMap<string, Given>): string {
  const spec = SETTINGS.find((row) => row.key === key);
  const text = given.get(key);
  if (spec === undefined || text === undefined) return key;
  return `${text.label} = ${shown(spec, text.text)} (${text.place})`;
}

function problemOf(spec: SettingSpec, given: Given, fault: string): string {
  // The parser of Redis URLs gives a whole sentence, with the URL and without its password.
  if (spec.unit === 'redis' || spec.unit === 'metadata') return `${given.label} (${given.place}): ${fault}`;
  const value = JSON.stringify(shown(spec, given.text));
  return `${given.label} = ${value} (${given.place}) ${fault}; allowed: ${allowedOf(spec)}`;
}

/** The longest value that a message repeats; a pasted certificate is not worth a screen. */
const SHOWN_LENGTH_MAX = 120;

function shown(spec: SettingSpec, text: string): string {
  const isUrl = spec.unit === 'url' || spec.unit === 'redis' || spec.unit === 'metadata';
  const redacted = isUrl ? redactUrl(text) : redactText(text);
  return redacted.length > SHOWN_LENGTH_MAX ? `${redacted.slice(0, SHOWN_LENGTH_MAX)}…` : redacted;
}
