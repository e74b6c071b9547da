/**
 * The shape of one row of the table of settings, and what its type says about the settings that come out.
 * It stands alone so that the table holds nothing but rows. All numbers in rows are text in the setting's own unit,
 * because that is how people read and write them.
 */
import type { NumberUnit } from './units.ts';

/** Commands whose help shows a setting; `inode` and `worker` use nearly all of them. */
export const COMMAND_NAMES = [
  ...(['inode', 'plan', 'inspect', 'worker', 'scan', 'waste', 'run', 'scheduler', 'status', 'console'] as const),
  ...(['pause', 'resume'] as const),
  ...(['reap', 'fsck', 'repair', 'gc', 'hold', 'quarantine', 'doctor', 'adopt', 'example'] as const),
] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

export const SETTING_GROUPS = [
  'Connections',
  'Safety',
  'Run budget',
  'Planning and merging',
  'Limits',
  'Worker',
  'Scan',
  'Console',
  'Metrics',
  'Logs',
] as const;
type SettingGroup = (typeof SETTING_GROUPS)[number];

interface Common {
  /** Property of `Settings`; ends in its unit where it is a duration (`Ms`) or a size (`Bytes`). */
  readonly key: string;
  readonly env: string;
  /** Without the leading dashes; also the key in a settings file. */
  readonly flag: string;
  /** One or two sentences for the help text and the docs. */
  readonly meaning: string;
  readonly group: SettingGroup;
  readonly commands: readonly CommandName[];
  /** Absent: the setting may stay unset, or takes another's value. */
  readonly default?: string;
  /** How the docs tell the value of an unset setting without `default`. */
  readonly unset?: string;
}

interface NumberSetting extends Common {
  readonly unit: NumberUnit;
  readonly default: string;
  readonly min: string;
  readonly max: string;
  /** A duration whose name promises seconds takes a number without a unit as seconds. */
  readonly bareSeconds?: boolean;
}

interface ChoiceSetting extends Common {
  readonly unit: 'choice';
  readonly choices: readonly string[];
  readonly default: string;
}

interface SwitchSetting extends Common {
  readonly unit: 'switch';
}

/** An http or https URL. */
interface UrlSetting extends Common {
  readonly unit: 'url';
}

/** One server, a cluster or sentinels: see redis-url.ts. */
interface RedisSetting extends Common {
  readonly unit: 'redis';
}

/** Redis, or a CurveFS cluster: see redis-url.ts and curvefs-url.ts. */
interface MetadataSetting extends Common {
  readonly unit: 'metadata';
}

interface TextSetting extends Common {
  readonly unit: 'text';
  readonly pattern: RegExp;
  /** The pattern in words. */
  readonly allowed: string;
}

export type SettingSpec =
  | NumberSetting
  | ChoiceSetting
  | SwitchSetting
  | UrlSetting
  | RedisSetting
  | MetadataSetting
  | TextSetting;

type ValueOf<Spec> = Spec extends { readonly unit: NumberUnit }
  ? number
  : Spec extends { readonly unit: 'choice'; readonly choices: readonly (infer Choice)[] }
    ? Choice
    : Spec extends { readonly unit: 'switch' }
      ? boolean
      : string;

/** The settings that a table of rows gives: a property per row, `undefined` only where a row has no default. */
export type SettingsOf<Table extends readonly SettingSpec[]> = {
  readonly [Spec in Table[number] as Spec['key']]: Spec extends { readonly default: string }
    ? ValueOf<Spec>
    : ValueOf<Spec> | undefined;
};
