/** What cannot work on a volume of slices is refused before anything is opened; what can says that nobody is there. */
import { expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { run } from '../../src/cli/main.ts';

/** Nobody listens there. */
const ENV = {
  METADATA_URL: 'juicefs+redis://127.0.0.1:1/0',
  REDIS_URL: 'redis://127.0.0.1:1',
  S3COMPACT_REDIS_TIMEOUT: '1s',
};

const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  '<fs> <inode>': ['1', '2'],
  '<fs> [inode]': ['1'],
  '<fs>': ['1'],
  '<fs...>': ['1'],
};

const SUBCOMMANDS: Readonly<Record<string, readonly string[]>> = { quarantine: ['list'], hold: ['list'] };

async function ending(argv: readonly string[]) {
  const out = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof out) => ({ write: (text: string) => (out[name] += text) });
  const exitCode = await run(argv, ENV, { stdout: stream('stdout'), stderr: stream('stderr') });
  return { exitCode, ...out };
}

const blocksOnly = COMMANDS.filter(({ only }) => only === 'blocks');

test.each(blocksOnly.map(({ name, usage }) => [name, usage]))('%s refuses a JuiceFS volume', async (name, usage) => {
  const { exitCode, stderr } = await ending([name, ...(SUBCOMMANDS[name] ?? ARGUMENTS[usage] ?? [])]);
  expect(stderr).toContain(`"s3compact ${name}" does not work on a JuiceFS volume`);
  expect(exitCode).toBe(2);
});

// A worker waits until somebody is there.
const working = COMMANDS.filter(({ name, only }) => only !== 'blocks' && name !== 'completion' && name !== 'worker');

test.each(working.map(({ name, usage }) => [name, usage]))('%s goes to the volume', async (name, usage) => {
  const { exitCode, stdout, stderr } = await ending([
    name,
    ...(SUBCOMMANDS[name] ?? ARGUMENTS[usage] ?? []),
    ...(name === 'scan' ? ['--top', '1'] : []),
  ]);
  expect(stdout + stderr).toMatch(/the (metadata|queue's) Redis .*(ECONNREFUSED|was not ready)/);
  expect(exitCode).toBe(3);
});
