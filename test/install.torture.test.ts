/**
 * The package as its user gets it: packed, installed into an empty folder and run, as README's "Install" says. Packages come
 * from npm's cache where they are there. An old Node.js, where the machine has one, is told what to do.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMANDS } from '../src/cli/commands.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const manifest = JSON.parse(read('package.json'));
const folder = mkdtempSync(join(tmpdir(), 's3compact-install-'));
const QUIET = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
const home = join(folder, 'home');
const bin = join(home, 'node_modules/.bin/s3compact');

function run(program: string, args: readonly string[], cwd = folder) {
  const PATH = `${dirname(process.execPath)}:${process.env['PATH']}`;
  return spawnSync(program, args, { cwd, encoding: 'utf8', env: { ...process.env, PATH } });
}

let tarball: string;

beforeAll(() => {
  // Built beside the checkout, where tests that run meanwhile look at nothing.
  const copy = join(folder, 'copy');
  mkdirSync(copy);
  for (const path of [...manifest.files, 'src', 'workers', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
    if (path !== 'dist') cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const packed = run('npm', ['pack', '--silent', '--pack-destination', folder], copy);
  expect(packed.status, packed.stderr).toBe(0);
  tarball = join(folder, packed.stdout.trim().split('\n').at(-1) ?? '');
  mkdirSync(home);
  const installed = run('npm', ['install', ...QUIET, tarball], home);
  expect(installed.status, installed.stderr).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the command runs, and is the built one', () => {
  expect(run(bin, ['--version'])).toMatchObject({ status: 0, stdout: `${manifest.version}\n`, stderr: '' });
  const help = run(bin, ['--help']).stdout;
  for (const { name } of COMMANDS) expect(help).toContain(`\n  ${name} `);
  const lost = run(bin, ['inspect', '1', '1', '--redis-url', 'redis://127.0.0.1:1', '--redis-timeout', '200ms']);
  expect(lost.status).toBe(3);
  expect(existsSync(join(home, 'node_modules/s3compact/src'))).toBe(false);
});

test('so it does by npx, without being installed', () => {
  const { status, stdout } = run('npx', ['--yes', ...QUIET, '--package', tarball, 's3compact', '--version']);
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${manifest.version}\n` });
});

test('the library can be imported', () => {
  writeFileSync(
    join(home, 'use.mjs'),
    "import { FsWriter, compactInode } from 's3compact';\nconsole.log(typeof FsWriter, typeof compactInode);\n",
  );
  expect(run(process.execPath, ['use.mjs'], home)).toMatchObject({ status: 0, stdout: 'function function\n' });
});

/** A Node.js of the system that is too old, if there is one. */
function oldNode(): string | undefined {
  return ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
    const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
    return /^v(?:1\d|20|21)\./.test(stdout ?? '');
  });
}

test('an old Node.js is told what to do here, not in a checkout', ({ skip }) => {
  const old = oldNode();
  skip(old === undefined, 'no old Node.js on this machine');
  const { status, stderr } = run(old ?? '', [join(home, 'node_modules/s3compact/bin/s3compact.js'), '--version']);
  expect(status).toBe(2);
  expect(stderr).toContain('needs Node.js 22.18 or newer');
  expect(stderr).toContain('container image');
  expect(stderr).not.toContain('checkout');
});

test('the systemd unit is one, and its settings are', ({ skip }) => {
  const unit = read('deploy/systemd/s3compact-worker.service');
  expect(unit).toContain('ExecStart=/usr/bin/env s3compact worker\n');
  const names = [...read('deploy/systemd/s3compact.env').matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name ?? '');
  const settings = read('docs/settings.md');
  for (const name of names) expect(settings, name).toContain(name);
  const verify = spawnSync('systemd-analyze', ['verify', join(ROOT, 'deploy/systemd/s3compact-worker.service')], {
    encoding: 'utf8',
  });
  skip(verify.error !== undefined, 'systemd-analyze is not installed');
  expect(verify.stderr).not.toMatch(/Unknown|Invalid|Failed to parse/);
});

test("README's commands name what there is", () => {
  const install = read('README.md').split('## Install\n')[1]?.split('\n## ')[0] ?? '';
  expect(install).toContain(`s3compact-${manifest.version}.tgz`);
  for (const [path] of install.matchAll(/deploy\/[\w./-]+/g)) expect(existsSync(join(ROOT, path)), path).toBe(true);
  expect(
    execFileSync('bash', ['-n'], {
      input: [...install.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text).join(''),
    }),
  ).toBeDefined();
});
