/**
 * What starting the command line loads, as a list of modules and not as a time: help and usage errors wait for no client.
 * And the table of commands, which stands for commands that are not loaded: it says what they register.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { CliContext } from '../../src/cli/context.ts';
import { COMMAND_NAMES } from '../../src/config/spec.ts';

const directory = mkdtempSync(join(tmpdir(), 's3compact-start-'));
const MODULES_FILE = join(directory, 'modules.json');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** Names of the packages that a command line loads, and how it ends. */
function packagesOf(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const hook = join(ROOT, 'test/cli/list-modules.mjs');
  const { status } = spawnSync(process.execPath, ['--import', hook, join(ROOT, 'bin/s3compact.js'), ...argv], {
    env: { ...env, MODULES_FILE },
    encoding: 'utf8',
  });
  const urls = JSON.parse(readFileSync(MODULES_FILE, 'utf8')) as readonly string[];
  const names = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  return { status, packages: [...new Set(names)].sort() };
}

/** What no answer about usage needs. */
const HEAVY = /^(?:@aws-sdk|@smithy|@opentelemetry)\/|^(?:bullmq|ioredis|zod|pino|prom-client|undici|yaml)$/;

describe('what a command line loads', () => {
  it.each([[['--help']], [['--version']], [['nonsense']], [[]]])('%j: the parser of arguments alone', (argv) => {
    const { status, packages } = packagesOf(argv);
    expect(status).toBe(argv[0]?.startsWith('--') === true ? 0 : 2);
    expect(packages.filter((name) => HEAVY.test(name))).toEqual([]);
    expect(packages).toContain('commander');
  });

  it.each(COMMANDS.map(({ name }) => name))('%s with a flag that it does not know: no client', (name) => {
    const wrong = packagesOf([name, '--nonsense']);
    expect(wrong.status).toBe(2);
    expect(wrong.packages.filter((one) => HEAVY.test(one))).toEqual([]);
  });

  it('inspect: Redis, and neither the S3 SDK nor the metrics, nor what CurveFS and a settings file need', () => {
    // Nobody listens there: it fails when all it needs is loaded.
    const { status, packages } = packagesOf(['inspect', '1', '1', '--redis-timeout', '100ms'], {
      REDIS_URL: 'redis://127.0.0.1:1',
    });
    expect(status).toBe(3);
    expect(packages).toContain('ioredis');
    expect(packages.filter((name) => /^@aws-sdk\/|^@bufbuild\/|^(?:prom-client|bullmq|yaml)$/.test(name))).toEqual([]);
  });
});

describe('the table of commands', () => {
  it('has the commands that the settings know', () => {
    expect(COMMANDS.map(({ name }) => name)).toEqual([...COMMAND_NAMES, 'completion']);
  });

  it.each(COMMANDS)('says of $name which arguments it registers', async ({ name, usage, load }) => {
    const command = new Command(name);
    const stream = { write: () => true };
    (await load())(command, new CliContext({}, { stdout: stream, stderr: stream }));
    const words = command.registeredArguments.map((one) => {
      const word = `${one.name()}${one.variadic ? '...' : ''}`;
      return one.required ? `<${word}>` : `[${word}]`;
    });
    expect(words.join(' ')).toBe(usage);
  });
});
