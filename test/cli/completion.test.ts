/**
 * The completion scripts. bash is driven as readline drives it, on the script that the command prints; zsh and fish parse
 * theirs where they are installed, and every command and setting is in each.
 */
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { SETTINGS } from '../../src/config/table.ts';
import { runCli } from './fixture.ts';

const scripts = new Map<string, string>();

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { exitCode, stdout, stderr } = await runCli(['completion', shell]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    scripts.set(shell, stdout);
  }
});

/** What Tab offers behind these words; the last one is being typed. */
function offered(...words: string[]): string[] {
  const line = ['s3compact', ...words].map((word) => `'${word}'`).join(' ');
  const drive = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _s3compact; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--noprofile', '--norc'], {
    input: `${scripts.get('bash')}\n${drive}\n`,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout.trim().split('\n').filter(Boolean);
}

describe('bash', () => {
  it('offers the commands, by their beginning', () => {
    expect(offered('')).toEqual(COMMANDS.map(({ name }) => name));
    expect(offered('in')).toEqual(['inode', 'inspect']);
    expect(offered('--json', 'sca')).toEqual(['scan']);
  });

  it("offers a command's own options and the settings that it uses", () => {
    expect(offered('inode', '1', '4711', '--dry')).toEqual(['--dry-run']);
    expect(offered('worker', '--lock-d')).toEqual(['--lock-duration']);
    expect(offered('inspect', '--lock-d')).toEqual([]);
    expect(offered('plan', '--he')).toEqual(['--help-settings', '--help']);
  });

  it('offers what an argument or a value may be, and nothing where anything may', () => {
    expect(offered('quarantine', '')).toEqual(['list', 'release']);
    expect(offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(offered('worker', '--s3-data-path', '')).toEqual(['fast', 'sdk']);
    expect(offered('worker', '--grace', '')).toEqual([]);
    expect(offered('inode', '')).toEqual([]);
    expect(offered('worker', '--config', '/etc/host')).toContain('/etc/hosts');
  });
});

describe.each(['bash', 'zsh', 'fish'])('%s', (shell) => {
  it('has every command and every setting', () => {
    const script = scripts.get(shell) ?? '';
    const flag = shell === 'fish' ? '-l ' : '--';
    for (const { name } of COMMANDS) expect(script).toContain(name);
    for (const spec of SETTINGS) expect(script).toContain(`${flag}${spec.flag}`);
  });

  it('parses, where the shell is installed', ({ skip }) => {
    skip(spawnSync(shell, ['-c', 'true']).error !== undefined, `${shell} is not installed`);
    const { status, stderr } = spawnSync(shell, ['-n'], { input: scripts.get(shell) ?? '', encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

it('another shell is bad usage', async () => {
  expect(await runCli(['completion', 'tcsh'])).toMatchObject({ exitCode: 2, stdout: '' });
});
