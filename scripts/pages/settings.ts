/**
 * docs/settings.md from the table of settings; a test compares the file with what this prints, so it cannot go stale.
 * `UPDATE_GOLDEN=1 npx vitest run test/config/config.test.ts` writes it anew.
 */
import { SDK_NAMES } from '../../src/config/rows-connect.ts';
import { CONSOLE_TOKEN } from '../../src/config/rows-console.ts';
import { COMMAND_NAMES, SETTING_GROUPS, type SettingSpec } from '../../src/config/spec.ts';
import { allowedOf, JUICEFS_PASSPHRASE, SETTINGS } from '../../src/config/table.ts';

const INTRODUCTION = `# Settings

This page is generated from the table in \`src/config/\`; change it there.

A flag wins over the environment, the environment over the file given with \`--config FILE\`, the file over the default.
The file is YAML with one \`name: value\` per line; a name is the flag without dashes (\`grace: 10m\`) or the environment
name (\`S3COMPACT_GRACE: 10m\`), and an unknown name is an error; a variable \`S3COMPACT_…\` that
is none is a warning (\`setting.unknown\`). An empty environment variable counts as not set.

Durations are a whole number with \`ms\`, \`s\`, \`m\`, \`h\` or \`d\` (\`500ms\`, \`10m\`, \`3d\`); sizes are bytes or a whole
number with \`KiB\`, \`MiB\`, \`GiB\` or \`TiB\`. All problems with the settings are listed at once, passwords hidden, and
nothing is started (exit code 2).
`;

const RELATIONS = `## Relations

Checked at start, whatever the command:

- \`grace\` > \`reader-cache-life\`
- \`lease\` > \`max-seconds\` + 2 × (\`s3-patience\` + \`s3-timeout\`) + \`redis-timeout\`
- \`min-age\` > \`lease\` + \`grace\`
- \`redis-timeout\` < \`lease\`, and 2 × \`redis-timeout\` < \`lock-duration\` ≤ \`lease\`
- \`requests-in-flight-min\` ≤ \`requests-in-flight\`
- \`bytes-per-second\` is 0 or ≥ \`concurrency\` × \`max-bytes\` / (\`lease\` − \`max-seconds\`), and \`total-bytes-per-second\` is
  0 or ≥ \`processes\` times that
- \`process-memory\` is 0 or at least 64MiB
- with a cluster as \`REDIS_URL\`, \`QUEUE_PREFIX\` is in braces
`;

/** The whole page. */
export function settingsMarkdown(): string {
  const groups = SETTING_GROUPS.map((group) => {
    const rows = SETTINGS.filter((spec) => spec.group === group);
    return `## ${group}\n\n| environment | flag | default | allowed | meaning |\n|---|---|---|---|---|\n${rows.map(row).join('\n')}\n`;
  });
  const sdk = SDK_NAMES.map(([names, meaning]) => `| ${code(names)} | ${meaning} |`).join('\n');
  const credentials = `## Credentials for S3\n\nLeft to the AWS SDK, which reads its own names; they are neither flags nor keys of the settings file.\n\n| environment | meaning |\n|---|---|\n${sdk}\n`;
  const token = `## Token of the console\n\n\`${CONSOLE_TOKEN}\`, only in the environment: 16 to 256 letters, digits and \`. _ ~ + / -\`, and \`=\` at its end. With it every page of the console wants a log-in\n([console.md](console.md)).\n`;
  const passphrase = `## Passphrase of a JuiceFS volume\n\n\`${JUICEFS_PASSPHRASE}\`, only in the environment, as for JuiceFS: what opens the volume's \`EncryptKey\` where that is protected ([juicefs.md](juicefs.md)).\n`;
  return [INTRODUCTION, ...groups, token, passphrase, credentials, RELATIONS].join('\n');
}

function row(spec: SettingSpec): string {
  const commands = spec.commands.length === COMMAND_NAMES.length ? 'all commands' : spec.commands.join(', ');
  const value = spec.default === undefined ? (spec.unset ?? '') : `\`${spec.default}\``;
  return `| \`${spec.env}\` | \`--${spec.flag}\` | ${value} | ${allowedOf(spec)} | ${spec.meaning} Used by ${commands}. |`;
}

function code(names: string): string {
  return names
    .split(', ')
    .map((name) => `\`${name}\``)
    .join(', ');
}
