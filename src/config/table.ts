/**
 * The one table of settings: flags, environment names, file keys, help, docs/settings.md, ranges and the
 * type `Settings` all come from its rows. It stands alone so that a new setting is one new row, and so that help needs no
 * checks (schemas.ts). No policy here.
 */
import { CONNECTION_ROWS } from './rows-connect.ts';
import { CONSOLE_ROWS } from './rows-console.ts';
import { LIMIT_ROWS } from './rows-limits.ts';
import { OBSERVE_ROWS } from './rows-observe.ts';
import { SCAN_ROWS } from './rows-scan.ts';
import { WORK_ROWS } from './rows-work.ts';
import type { KeyIn, SettingSection, SettingSpec, SettingsOf } from './spec.ts';

/** In the order in which help and docs list them. */
const SECTIONS = [
  ...CONNECTION_ROWS,
  ...WORK_ROWS,
  ...LIMIT_ROWS,
  ...SCAN_ROWS,
  ...CONSOLE_ROWS,
  ...OBSERVE_ROWS,
] as const;

type Rows = (typeof SECTIONS)[number]['rows'];
export type SettingKey = KeyIn<Rows>;

function flagOf(env: string): string {
  return env
    .slice(env.startsWith('S3COMPACT_') ? 10 : 0)
    .toLowerCase()
    .replaceAll('_', '-');
}

export const SETTINGS: readonly SettingSpec[] = (SECTIONS as readonly SettingSection[]).flatMap(({ rows, ...common }) =>
  Object.entries(rows).map(([key, row]) => ({ ...common, flag: flagOf(row.env), ...row, key })),
);

/**
 * Every setting with its value, checked: durations in ms, sizes in bytes. `metadataUrl` and `forcePathStyle` take
 * their value from other settings when they are not given; `forcePathStyle` stays unset where no endpoint is given.
 */
export type Settings = Omit<SettingsOf<Rows>, 'metadataUrl'> & {
  readonly metadataUrl: string;
  /** A secret, which has no row: it opens the key of a JuiceFS volume. Only from the environment, where JuiceFS has it. */
  readonly juicefsPassphrase?: string;
};

/** As JuiceFS calls it. */
export const JUICEFS_PASSPHRASE = 'JFS_RSA_PASSPHRASE';

/** What a setting takes, in words: the range, the choices or the form. */
export function allowedOf(spec: SettingSpec): string {
  switch (spec.unit) {
    case 'choice':
      return spec.choices.join(', ');
    case 'switch':
      return 'true or false';
    case 'text':
      return spec.allowed;
    case 'url':
      return 'http://… or https://…';
    case 'redis':
      return 'redis://[user:password@]host:port[/db], rediss://…, redis+cluster://host,host or redis+sentinel://host,host/master';
    case 'metadata':
      return 'what REDIS_URL takes, curvefs://mds1:6700,mds2:6700, or juicefs+redis://host:port/db';
    default:
      return spec.range.join(' to ');
  }
}
