/**
 * Settings: the public face of `config/`. One table makes flags, environment names, help, docs and checks;
 * `loadSettings` makes it values. Nothing here reads the process: `cli/` and `workers/` pass the environment in.
 */

export { redactText, redactUrl } from '../redact.ts';
export { loadSettings } from './load.ts';
export { RELATIONS } from './relations.ts';
export { SDK_NAMES } from './rows-connect.ts';
export { CONSOLE_TOKEN } from './rows-console.ts';
export { schemaOf } from './schemas.ts';
export type { SettingSources } from './sources.ts';
export type { SettingSpec } from './spec.ts';
export { allowedOf, SETTINGS, type Settings } from './table.ts';
export { formOf, parseNumber, printNumber } from './units.ts';
