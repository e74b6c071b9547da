/**
 * The shape of the table of settings, rows in sections, and what its type says about the settings that come out.
 * It stands alone so that the tables hold nothing but rows. All numbers in rows are text in the setting's own unit,
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
  readonly env: string;
  /** One or two sentences for the help text and the docs. */
  readonly meaning: string;
  /** Absent: those of the section. */
  readonly commands?: readonly CommandName[];
  /** Without the leading dashes; also the key in a settings file. Absent: `env` in small letters, without S3COMPACT. */
  readonly flag?: string;
  /** Absent: the setting may stay unset, or takes another's value. */
  readonly default?: string;
  /** How the docs tell the value of an unset setting without `default`. */
  readonly unset?: string;
}

interface NumberSetting {
  readonly unit: NumberUnit;
  readonly default: string;
  /** The least and the largest. */
  readonly range: readonly [string, string];
  /** A duration whose name promises seconds takes a number without a unit as seconds. */
  readonly bareSeconds?: boolean;
}

interface ChoiceSetting {
  readonly unit: 'choice';
  readonly choices: readonly string[];
  readonly default: string;
}

/** `url`: http or https. `redis`, `metadata`: what src/urls reads. */
interface PlainSetting {
  readonly unit: 'switch' | 'url' | 'redis' | 'metadata';
}

interface TextSetting {
  readonly unit: 'text';
  readonly pattern: RegExp;
  /** The pattern in words. */
  readonly allowed: string;
}

type SettingRow = Common & (NumberSetting | ChoiceSetting | PlainSetting | TextSetting);

/** Rows by the property of `Settings`, which ends in its unit where it is a duration (`Ms`) or a size (`Bytes`). */
export interface SettingSection {
  readonly group: SettingGroup;
  readonly commands: readonly CommandName[];
  readonly rows: Readonly<Record<string, SettingRow>>;
}

export type SettingSpec = SettingRow & {
  readonly key: string;
  readonly group: SettingGroup;
  readonly commands: readonly CommandName[];
  readonly flag: string;
};

type ValueOf<Row> = Row extends { readonly unit: NumberUnit }
  ? number
  : Row extends { readonly unit: 'choice'; readonly choices: readonly (infer Choice)[] }
    ? Choice
    : Row extends { readonly unit: 'switch' }
      ? boolean
      : string;

export type KeyIn<Rows> = Rows extends unknown ? keyof Rows : never;
type RowIn<Rows, Key extends PropertyKey> = Rows extends { readonly [Own in Key]: infer Row } ? Row : never;

/** The settings that rows give: a property per row, `undefined` only where a row has no default. */
export type SettingsOf<Rows> = {
  readonly [Key in KeyIn<Rows>]: RowIn<Rows, Key> extends { readonly default: string }
    ? ValueOf<RowIn<Rows, Key>>
    : ValueOf<RowIn<Rows, Key>> | undefined;
};
