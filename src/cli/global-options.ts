/**
 * The options that every command takes: a few of the program itself, and a flag for each setting. One table for the parser,
 * the help and the completions. Help shows the settings that matter most, and all of them when asked. It runs nothing.
 */
import { Option } from 'commander';
import type { SettingSpec } from '../config/spec.ts';
import { SETTINGS, type SettingKey } from '../config/table.ts';

export const HELP_SETTINGS = '--help-settings';

/** Flags and what they do, in the order of the help. */
export const PROGRAM_OPTIONS = [
  ['--json', 'write JSON for programs; ids are decimal text'],
  ['--config <file>', 'read settings from a YAML file; flags and environment win over it'],
  ['--color', 'use colours even where the output is no terminal'],
  ['--no-color', 'use no colours'],
  ['--ascii', 'draw with ASCII characters only'],
  [HELP_SETTINGS, 'print the help with all settings'],
] as const;

const MAIN: ReadonlySet<string> = new Set<SettingKey>([
  ...(['redisUrl', 'metadataUrl', 's3Endpoint', 's3Region', 'graceMs', 'aggressivenessBytes'] as const),
  ...(['fragmentThreshold', 'maxBytes', 'processes', 'concurrency', 'totalBytesPerSecond', 'logLevel'] as const),
]);
const MAIN_GROUP = `Settings that matter most (all of them: ${HELP_SETTINGS}):`;

/** The flag of a setting. Values are checked with all the others, not one by one here. */
export function optionOf(spec: SettingSpec, allSettings: boolean): Option {
  const value = spec.unit === 'switch' ? '[true|false]' : `<${spec.unit}>`;
  const preset = spec.default ?? spec.unset ?? 'unset';
  const text = `${spec.meaning} (${spec.env}; default: ${preset})`;
  const option = new Option(`--${spec.flag} ${value}`, text);
  if (allSettings) return option.helpGroup(`${spec.group}:`);
  return option.helpGroup(MAIN_GROUP).hideHelp(!MAIN.has(spec.key));
}

/** The settings that a command uses. */
export function settingsOf(command: string): readonly SettingSpec[] {
  return SETTINGS.filter(({ commands }) => commands.some((one) => one === command));
}
