/**
 * Settings (DESIGN §7): the public face of `config/`. One table makes flags, environment names, help, docs and checks;
 * `loadSettings` makes it values. Nothing here reads the process: `cli/` and `workers/` pass the environment in.
 */
export { settingsMarkdown } from './config/docs.ts';
export { loadSettings } from './config/load.ts';
export { RELATIONS, type Relation, runTailMs } from './config/relations.ts';
export { SDK_NAMES } from './config/rows-connect.ts';
export { type Origin, SETTINGS_FILE_BYTES_MAX, type SettingSources } from './config/sources.ts';
export { type CommandName, SETTING_GROUPS, type SettingSpec } from './config/spec.ts';
export { allowedOf, SETTINGS, type SettingKey, type Settings, schemaOf } from './config/table.ts';
export { formOf, parseNumber, printNumber } from './config/units.ts';
export { redactText, redactUrl } from './redact.ts';
