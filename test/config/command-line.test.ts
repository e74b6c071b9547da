/**
 * The command line around the commands: help made from the table of settings, precedence of flags, environment and
 * file, exit codes, errors as text and as JSON, colours and character sets.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { EXIT, errorText, exitCodeOf, UsageError } from '../../src/cli/output.ts';
import { SETTINGS } from '../../src/config/index.ts';
import { CompactError, type ErrorKind } from '../../src/errors.ts';
import { MetadataFixture, record, runCli } from '../cli/fixture.ts';

const fixture = new MetadataFixture();
const directory = mkdtempSync(join(tmpdir(), 's3compact-cli-'));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

beforeAll(async () => {
  await fixture.filesystem(1);
  await fixture.inode(1, { id: 1, length: 64, chunks: { 0: [record(1, 0, 64), record(2, 8, 4), record(3, 20, 4)] } });
});

afterAll(() => {
  fixture.close();
  rmSync(directory, { recursive: true });
});

describe('--help', () => {
  it('names every command first, then some settings, and the exit codes; it is no longer than two screens', async () => {
    const { exitCode, stdout } = await runCli(['--help']);
    expect(exitCode).toBe(0);
    const at = (text: string): number => stdout.indexOf(text);
    expect(at('Commands:')).toBeGreaterThan(0);
    expect(at('Commands:')).toBeLessThan(at('Options:'));
    for (const { name } of COMMANDS) expect(at(`\n  ${name} `)).toBeLessThan(at('Options:'));
    expect(at('--redis-url')).toBeGreaterThan(at('Settings that matter most'));
    expect(stdout).not.toContain('--lock-duration');
    expect(stdout.split('\n').length).toBeLessThan(90);
  });

  it.each(['inode', 'worker'])('of %s shows few settings, and none that it does not use', async (name) => {
    const { stdout } = await runCli([name, '--help']);
    expect(stdout).toContain('--redis-url');
    expect(stdout).not.toContain('--lock-duration');
    expect(stdout).toContain('--help-settings');
  });

  it('is named, of the command that was asked for, by a usage error', async () => {
    expect((await runCli(['inode', '1'])).stderr).toContain('"s3compact inode --help" tells more');
    expect((await runCli(['scan', '1', '--nonsense'])).stderr).toContain('"s3compact scan --help" tells more');
    expect((await runCli(['nonsense'])).stderr).toContain('"s3compact --help" tells more');
  });
});

describe('--help-settings', () => {
  it('names every setting with its environment name and default, every command, and the exit codes', async () => {
    const { exitCode, stdout, stderr } = await runCli(['--help-settings']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const words = stdout.replaceAll(/\s+/g, ' ');
    for (const spec of SETTINGS) {
      expect(words).toContain(`--${spec.flag} `);
      expect(words).toContain(`(${spec.env}; default: ${'default' in spec ? spec.default : spec.unset})`);
    }
    for (const command of ['inode', 'plan', 'inspect', 'worker', 'reap']) expect(words).toContain(` ${command} `);
    for (const code of Object.values(EXIT)) expect(stdout).toMatch(new RegExp(`^ {2}${code} +\\w`, 'm'));
  });

  it.each(['inode', 'plan', 'inspect', 'worker', 'reap'] as const)(
    'of %s shows the settings that matter to it',
    async (name) => {
      const { exitCode, stdout } = await runCli([name, '--help-settings']);
      expect(exitCode).toBe(0);
      for (const spec of SETTINGS) {
        const used = (spec.commands as readonly string[]).includes(name);
        expect(stdout.includes(`--${spec.flag} `), spec.flag).toBe(used);
      }
      expect(stdout).toContain('Exit codes:');
    },
  );

  it('shows for run whatever a worker obeys, since run starts workers', () => {
    const hidden = SETTINGS.filter(({ commands }) => {
      const names: readonly string[] = commands;
      return names.includes('worker') && !names.includes('run');
    });
    expect(hidden.map(({ flag }) => flag)).toEqual([]);
  });

  it('shows for hold where the queue and the bucket are, since a hold is an object there', () => {
    const flags = SETTINGS.filter(({ commands }) => (commands as readonly string[]).includes('hold')).map(
      ({ flag }) => flag,
    );
    expect(flags).toEqual(expect.arrayContaining(['queue-prefix', 's3-endpoint', 's3-region']));
  });

  it("is shown, as bad usage, when no command is given; --version is the package's", async () => {
    const none = await runCli([]);
    expect(none).toMatchObject({ exitCode: 2, stdout: '' });
    expect(none.stderr).toContain('Usage: s3compact');
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('settings reach a command', () => {
  const plan = async (argv: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const { stdout, stderr } = await fixture.cli(['plan', '1', '1', '--json', ...argv], env);
    expect(stderr).toBe('');
    return JSON.parse(stdout) as { readonly outcome: string };
  };

  it('from a file, over it from the environment, over that from a flag before or after the command', async () => {
    const config = ['--config', file('high.yaml', 'fragment-threshold: 3\nstorage-price: 0\n')];
    const env = { S3COMPACT_FRAGMENT_THRESHOLD: '2' };
    expect((await plan(config)).outcome).toBe('nothing');
    expect((await plan(config, env)).outcome).toBe('plan');
    expect((await plan([...config, '--fragment-threshold=3'], env)).outcome).toBe('nothing');
    const before = await fixture.cli(['--fragment-threshold', '2', 'plan', '1', '1', '--json', ...config]);
    expect(JSON.parse(before.stdout)).toMatchObject({ outcome: 'plan' });
  });

  it('all wrong ones are reported at once, before anything is connected', async () => {
    const config = file('wrong.yaml', 'grace: soon\nunknown: 1\n');
    const { exitCode, stdout, stderr } = await runCli(['plan', '1', '1', '--config', config, '--max-chunks', '0'], {
      REDIS_URL: 'redis://:hunter2@nowhere.invalid:1/x',
      S3COMPACT_LEASE: '5s',
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    for (const name of ['grace', 'unknown', '--max-chunks', 'REDIS_URL', 'S3COMPACT_LEASE'])
      expect(stderr).toContain(name);
    expect(stderr).not.toContain('hunter2');
  });

  it('a file that is not there is bad usage; a switch needs no value', async () => {
    const { exitCode, stderr } = await runCli(['plan', '1', '1', '--config', join(directory, 'none.yaml')]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('cannot be read');
    expect((await plan(['--force-path-style', '--fragment-threshold', '2'])).outcome).toBe('plan');
  });
});

describe('errors', () => {
  it.each([
    ['retry', 'store-unavailable', EXIT.retry],
    ['halt', 'access-denied', EXIT.halted],
    ['halt', 'settings-invalid', EXIT.usage],
  ] as const)('of kind %s (%s) end with %d', (kind: ErrorKind, code, exitCode) => {
    expect(exitCodeOf(new CompactError('x', { kind, code }))).toBe(exitCode);
  });

  it('that are none of ours end with 1, bad usage with 2', () => {
    expect(exitCodeOf(new TypeError('x'))).toBe(1);
    expect(exitCodeOf('text')).toBe(1);
    expect(exitCodeOf(new UsageError('x'))).toBe(2);
  });

  it('tell the inode and no secret; a stack only when asked', () => {
    const inode = { fsId: 1, inodeId: 2n ** 63n };
    const error = new CompactError('redis://u:hunter2@h refused', {
      kind: 'retry',
      code: 'metadata-unavailable',
      inode,
    });
    const json: unknown = JSON.parse(errorText(error, { json: true, stack: false }));
    expect(json).toEqual({
      error: {
        code: 'metadata-unavailable',
        kind: 'retry',
        message: 'redis://***@h refused',
        fsId: 1,
        inodeId: '9223372036854775808',
        exitCode: 3,
      },
    });
    expect(errorText(error, { json: false, stack: false })).not.toMatch(/hunter2|\n {4}at /);
    expect(errorText(error, { json: false, stack: true })).toMatch(/\n {4}at /);
    expect(errorText(error, { json: false, stack: true })).not.toContain('hunter2');
  });

  it('of usage are JSON too with --json', async () => {
    const { exitCode, stderr } = await runCli(['plan', 'x', '1', '--json']);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'usage', exitCode: 2 } });
  });
});

describe('the terminal', () => {
  const colours = String.fromCharCode(27);
  const argv = ['plan', '1', '1', '--fragment-threshold', '2'];
  const draw = async (more: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    (await fixture.cli([...argv, ...more], env)).stdout;

  it('gets colours when asked, by flag or environment; no colours where the output is no terminal', async () => {
    expect(await draw([])).not.toContain(colours);
    expect(await draw(['--color'])).toContain(colours);
    expect(await draw([], { FORCE_COLOR: '1' })).toContain(colours);
    expect(await draw([], { FORCE_COLOR: '1', NO_COLOR: '1' })).not.toContain(colours);
    expect(await draw(['--no-color'], { FORCE_COLOR: '1' })).not.toContain(colours);
  });

  it('gets ASCII when asked, or when its locale says so', async () => {
    expect(await draw([])).toContain('│');
    expect(await draw(['--ascii'])).not.toContain('│');
    expect(await draw([], { LC_ALL: 'C' })).not.toContain('│');
    expect(await draw([], { LC_ALL: '', LANG: 'en_US.UTF-8' })).toContain('│');
  });
});
