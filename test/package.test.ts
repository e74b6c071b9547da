/**
 * What `npm ci` and a published package depend on: exact versions, a complete lock file that names no registry, and
 * scripts that check the Node.js version before anything else. `npm ci` refuses an incomplete lock file, and npm writes
 * one where a registry lacks the optional packages of other platforms.
 */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const manifest = JSON.parse(read('package.json'));
const lock = JSON.parse(read('package-lock.json'));

/** The entry that a package at `path` finds for `name`, as Node.js looks for it: inside first, then further out. */
function lookUp(path: string, name: string): { readonly version?: string } | undefined {
  const entry = lock.packages[`${path === '' ? '' : `${path}/`}node_modules/${name}`];
  if (entry !== undefined || path === '') return entry;
  return lookUp(path.slice(0, Math.max(0, path.lastIndexOf('node_modules/') - 1)), name);
}

describe('the lock file', () => {
  test('has every dependency of every package, also those of other platforms', () => {
    const missing: string[] = [];
    for (const [path, entry] of Object.entries<Record<string, Record<string, string>>>(lock.packages)) {
      for (const name of Object.keys({ ...entry['dependencies'], ...entry['optionalDependencies'] })) {
        if (lookUp(path, name)?.version === undefined) missing.push(`${path} → ${name}`);
      }
    }
    expect(Object.keys(lock.packages).length).toBeGreaterThan(100);
    expect(missing).toEqual([]);
  });

  test('names no registry', () => {
    expect(JSON.stringify(lock)).not.toContain('"resolved":"http');
  });

  test('agrees with package.json, whose versions are exact', () => {
    const wanted = { ...manifest.dependencies, ...manifest.devDependencies };
    expect(Object.values(wanted).filter((version) => !/^\d+\.\d+\.\d+$/.test(String(version)))).toEqual([]);
    expect(lock.packages[''].dependencies).toEqual(manifest.dependencies);
    expect(lock.packages[''].devDependencies).toEqual(manifest.devDependencies);
    for (const [name, version] of Object.entries(wanted)) {
      expect(lock.packages[`node_modules/${name}`].version).toBe(version);
    }
  });
});

test('every dependency is used by what is published', () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const code = globSync('{src,workers}/**/*.ts', { cwd: root }).map(read).join('\n');
  expect(Object.keys(manifest.dependencies).filter((name) => !code.includes(`from '${name}`))).toEqual([]);
});

describe('the Node.js version', () => {
  const { complaint } = createRequire(import.meta.url)('../scripts/require-node.cjs');

  test.each([
    ['v18.20.0', true],
    ['v20.20.2', true],
    ['v22.9.0', true],
    ['v22.17.9', true],
    ['v22.18.0', false],
    ['v22.20.1', false],
    ['v24.0.0', false],
    ['v100.0.0', false],
  ])('%s is refused: %s', (version, refused) => {
    for (const [isCheckout, way] of [
      [true, 'In this checkout "npm ci" brings one'],
      [false, 'or use the container image'],
    ] as const) {
      const text = complaint(version, manifest.engines.node, isCheckout);
      if (!refused) expect(text).toBeNull();
      else {
        expect(text).toContain(`needs Node.js 22.18 or newer; this is ${version}`);
        expect(text).toContain(way);
      }
    }
  });

  test('every script that runs our code asks first', () => {
    const own = Object.entries<string>(manifest.scripts).filter(([, command]) => !command.startsWith('npm run '));
    expect(own.filter(([, command]) => !command.startsWith('node scripts/require-node.cjs && '))).toEqual([]);
  });

  test('the tests run on the Node.js that comes with the dev dependencies', () => {
    expect(process.versions.node).toBe(manifest.devDependencies.node);
  });
});

describe('what must be executable', () => {
  test.each(['.ci/run', 'scripts/install-services.sh', 'bin/s3compact.js'])('%s', (path) => {
    expect(statSync(new URL(`../${path}`, import.meta.url)).mode & 0o111).toBe(0o111);
  });

  test('the shell scripts parse', () => {
    for (const path of [
      '.ci/run',
      'scripts/install-services.sh',
      'test/kit/servers/radosgw/up.sh',
      'test/kit/servers/guard.sh',
    ]) {
      const shell = read(path).startsWith('#!/bin/bash') ? 'bash' : 'sh';
      execFileSync(shell, ['-n', fileURLToPath(new URL(`../${path}`, import.meta.url))]);
    }
  });
});
