/**
 * The Dockerfile keeps its promises: two stages, a numeric non-root user, tini as process 1, and every file that it
 * copies exists or is made by a step before. No Docker is needed: the file is read, not built.
 */
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const packageJson = JSON.parse(read('package.json'));

interface Instruction {
  readonly name: string;
  readonly text: string;
}

interface Stage {
  readonly image: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** The stages of a Dockerfile; comments are dropped and continued lines joined. */
function parse(text: string): readonly Stage[] {
  const lines = text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: { image: string; name: string | undefined; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`not an instruction: ${line}`);
    if (name === 'FROM') {
      const [, image = '', as] = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(rest) ?? [];
      stages.push({ image, name: as, instructions: [] });
    } else stages.at(-1)?.instructions.push({ name, text: rest.replace(/\s+/g, ' ') });
  }
  return stages;
}

/** The sources of a COPY, its target, and the stage it copies from. */
function copyOf(text: string): {
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
} {
  const words = text.split(' ');
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
  const paths = words.filter((word) => !word.startsWith('--'));
  return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' };
}

const stages = parse(read('Dockerfile'));
const [build, runtime] = stages;
const of = (stage: Stage | undefined, name: string) =>
  (stage?.instructions ?? []).filter((instruction) => instruction.name === name).map((instruction) => instruction.text);
const copies = (stage: Stage | undefined) => of(stage, 'COPY').map(copyOf);

test('two stages on one image of a Node.js that the package accepts', () => {
  expect(stages.map((stage) => stage.name)).toEqual(['build', undefined]);
  expect(new Set(stages.map((stage) => stage.image)).size).toBe(1);
  expect(build?.image).toBe('$' + '{BASE}');
  const major = Number(/^ARG BASE=node:(\d+)\.[\d.]+-bookworm-slim@sha256:\w{64}$/m.exec(read('Dockerfile'))?.[1]);
  expect(major).toBeGreaterThan(Number(/(\d+)\./.exec(packageJson.engines.node)?.[1]));
});

describe('what is copied', () => {
  const fromContext = stages.flatMap(copies).filter(({ from }) => from === undefined);

  test.each(fromContext.flatMap(({ sources }) => sources))('%s exists, and .dockerignore lets it through', (source) => {
    expect(existsSync(new URL(source, ROOT))).toBe(true);
    const lines = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines[0]).toBe('*');
    expect(lines).toContain(`!${source}`);
  });

  test('.dockerignore lets nothing else through', () => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    const wanted = new Set(fromContext.flatMap(({ sources }) => sources.map((source) => `!${source}`)));
    expect(new Set(allowed)).toEqual(wanted);
  });

  test('the runtime takes from the build only what the build makes', () => {
    const { outDir } = JSON.parse(read('tsconfig.build.json')).compilerOptions;
    const taken = copies(runtime).filter(({ from }) => from !== undefined);
    expect(taken.every(({ from }) => from === 'build')).toBe(true);
    expect(taken.flatMap(({ sources }) => sources).toSorted()).toEqual(
      [`/app/${outDir}`, '/app/node_modules'].toSorted(),
    );
    expect(of(build, 'WORKDIR')).toEqual(['/app']);
    expect(of(runtime, 'WORKDIR')).toEqual(['/app']);
    const steps = of(build, 'RUN').join('\n');
    expect(steps).toMatch(/\bnpm ci\b[\s\S]*\bnpm run build\b[\s\S]*\bnpm prune --omit=dev\b/);
    expect(packageJson.scripts.build).toContain('tsconfig.build.json');
  });

  test('the build has what the compiler reads and its scripts call', () => {
    const sources = copies(build).flatMap((copy) => copy.sources);
    const { include, extends: base } = JSON.parse(read('tsconfig.build.json'));
    expect(sources).toEqual(expect.arrayContaining([...include, posix.normalize(base), 'package-lock.json']));
    for (const [, script] of packageJson.scripts.build.matchAll(/node (scripts\/\S+)/g))
      expect(sources).toContain(script);
  });

  test('the runtime has no sources: the launcher would take them for a checkout', () => {
    const sources = copies(runtime).flatMap((copy) => copy.sources);
    expect(sources).not.toContain('src');
    expect(sources).toContain('bin');
    for (const [, imported] of read(packageJson.bin.s3compact).matchAll(/^import '\.\.\/(.*)'/gm)) {
      expect(sources).toContain(imported);
    }
  });
});

describe('how it runs', () => {
  test('as a numeric user that is not root', () => {
    const users = of(runtime, 'USER');
    expect(users).toHaveLength(1);
    expect(users[0]).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const names = (runtime?.instructions ?? []).map((instruction) => instruction.name);
    expect(names.lastIndexOf('RUN')).toBeLessThan(names.indexOf('USER'));
  });

  test('with tini as process 1 and the command behind it', () => {
    expect(of(runtime, 'ENTRYPOINT').map((text) => JSON.parse(text))).toEqual([['/usr/bin/tini', '--', 's3compact']]);
    expect(of(runtime, 'CMD').map((text) => JSON.parse(text))).toEqual([['--help']]);
    const steps = of(runtime, 'RUN').join('\n');
    expect(steps).toMatch(/apt-get install -y --no-install-recommends tini\b/);
    expect(steps).toContain(`ln -s /app/${packageJson.bin.s3compact} /usr/local/bin/s3compact`);
  });

  test('with nothing to write to, and labels that agree with the package', () => {
    expect(of(runtime, 'VOLUME')).toEqual([]);
    const label = of(runtime, 'LABEL').join(' ');
    for (const [name, value] of [
      ['title', packageJson.name],
      ['description', packageJson.description],
      ['licenses', packageJson.license],
    ]) {
      expect(label).toContain(`org.opencontainers.image.${name}="${value}"`);
    }
    expect(of(runtime, 'ARG')).toContain(`VERSION=${packageJson.version}`);
  });
});

test('the launcher is executable text with a shebang', () => {
  const path = fileURLToPath(new URL(packageJson.bin.s3compact, ROOT));
  expect(readFileSync(path, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});
