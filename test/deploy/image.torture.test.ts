/**
 * What the image holds is enough to run: the build is made as the Dockerfile makes it, laid beside nothing but what its
 * last stage copies and the packages that are not for development, and run. No Docker is needed; what cannot be seen here
 * is the base image and tini.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { freePort } from '../kit/servers/free-port.ts';
import { uniquePrefix } from '../setup/isolation.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

let app: string;
const children: ChildProcess[] = [];

beforeAll(() => {
  app = mkdtempSync(join(tmpdir(), 's3compact-image-'));
  const stage =
    read('Dockerfile')
      .split(/^FROM /m)
      .at(-1) ?? '';
  for (const [, words = ''] of stage.matchAll(/^COPY (?!--from)(.+)$/gm)) {
    const paths = words.split(' ');
    const target = paths.pop() ?? '';
    for (const path of paths) {
      const inside = target === './' || target.endsWith('/') ? join(target, path.split('/').at(-1) ?? '') : target;
      cpSync(join(ROOT, path), join(app, inside), { recursive: true });
    }
  }
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  execFileSync(tsc, ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(app, 'dist')], { cwd: ROOT });
  linkPackages();
});

afterAll(async () => {
  for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(app, { recursive: true, force: true });
});

/** What `npm prune --omit=dev` leaves. Links would find their own dependencies in the checkout: files, then. */
function linkPackages(): void {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly optional?: boolean }>>;
  };
  const tops = Object.entries(packages).filter(
    ([path, entry]) => /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path) && entry.dev !== true,
  );
  for (const [path, { optional }] of tops) {
    const target = join(app, path);
    mkdirSync(dirname(target), { recursive: true });
    try {
      readFileSync(join(ROOT, path, 'package.json'));
    } catch (error) {
      if (optional === true) continue;
      throw error;
    }
    symlinkSync(join(ROOT, path), target);
  }
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const options = ['--preserve-symlinks', '--preserve-symlinks-main'];
  const child = spawn(process.execPath, [...options, join(app, 'bin/s3compact.js'), ...args], {
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production', NODE_OPTIONS: '--preserve-symlinks', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

async function output(args: readonly string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const child = start(args);
  const out = { stdout: '', stderr: '' };
  child.stdout?.on('data', (data: Buffer) => (out.stdout += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (out.stderr += data.toString()));
  await once(child, 'close');
  return { exitCode: child.exitCode, ...out };
}

describe('the image', () => {
  it('has bases that are pinned by digest', () => {
    const file = read('Dockerfile');
    const pinned = [...file.matchAll(/^ARG (\w+)=\S+:\d+\.\d+\.\d+\S*@sha256:[0-9a-f]{64}$/gm)].map(
      ([, name = '']) => name,
    );
    const bases = [...file.matchAll(/^FROM (\S+)/gm)].map(([, base = '']) => base);
    expect(bases).toHaveLength(2);
    for (const base of bases) expect(pinned.map((name) => `\${${name}}`)).toContain(base);
  });

  it('knows its version, and every command', async () => {
    const { version } = JSON.parse(read('package.json')) as { readonly version: string };
    expect(await output(['--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
    const { stdout, exitCode } = await output(['worker', '--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('--processes');
  });

  it('runs a pool, is ready, and ends on SIGTERM', async () => {
    const port = await freePort();
    const { endpoint, region, accessKeyId, secretAccessKey } = inject('s3');
    const child = start(['worker', '--processes', '2'], {
      REDIS_URL: inject('redisUrl'),
      QUEUE_PREFIX: uniquePrefix('image'),
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      S3COMPACT_METRICS_PORT: `${port}`,
    });
    const lines: string[] = [];
    let working = 0;
    const both = Promise.withResolvers<void>();
    createInterface({ input: child.stderr ?? process.stdin }).on('line', (line) => {
      lines.push(line);
      if (line.includes('"process.started"') && ++working === 2) both.resolve();
    });
    const ended = once(child, 'exit');
    await Promise.race([both.promise, ended]);
    expect(working, lines.join('\n')).toBe(2);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    await expect
      .poll(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status, { timeout: 600_000 })
      .toBe(200);
    expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain('\ns3compact_worker_processes 2');
    child.kill('SIGTERM');
    await ended;
    expect(child.exitCode, lines.join('\n')).toBe(0);
  });
});
