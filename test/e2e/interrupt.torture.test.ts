/**
 * Ctrl-C and SIGTERM on real processes: each says what it has left and how to go on, ends with its own exit code, and
 * whatever it left is whole. Each is stopped at a moment at which it is known to be waiting.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandProcess } from '../kit/support/command-process.ts';
import { type FaultServer, sendError, startFaultServer } from '../objects/fault-server.ts';
import { E2eWorld } from './world.ts';

const INODE = 77n;
const FILES = 12n;
/** Most of a minute for one file: nothing is done by the time it is stopped. */
const THROTTLED = { S3COMPACT_BYTES_PER_SECOND: '2000', S3COMPACT_CONCURRENCY: '1', S3COMPACT_MAX_BYTES: '1MiB' };
let world: E2eWorld;
let store: FaultServer;

beforeEach(async () => {
  world = await E2eWorld.open('interrupt');
  store = await startFaultServer();
});
afterEach(async () => {
  await store.close();
  await world.close();
});

async function fragmentedFile(inodeId = INODE): Promise<void> {
  await world.writer.createInode(inodeId);
  for (let n = 0; n < 12; n++) await world.writer.write(inodeId, n * 4_000, 4_096);
}

interface Stopped {
  readonly exit: string;
  readonly stdout: string;
  readonly stderr: string;
}

interface When {
  /** Of standard error, after which it is stopped. */
  readonly line?: RegExp;
  readonly reached?: Promise<unknown>;
  readonly env?: Readonly<Record<string, string>>;
  readonly name?: NodeJS.Signals;
}

/** Runs a command until it says or does something, stops it, and tells how it ended. */
async function stopped(args: readonly string[], { line, reached, env = {}, name = 'SIGINT' }: When): Promise<Stopped> {
  let stderr = '';
  const said = Promise.withResolvers<void>();
  const command = new CommandProcess({
    args,
    env: { ...world.env, ...env },
    onLine: (_line, text) => {
      stderr += `${text}\n`;
      if (line?.test(text) === true) said.resolve();
    },
  });
  const early = command.ended.then(() => {
    throw new Error(`it ended before it was stopped: ${command.exit} ${command.stdout} ${stderr}`);
  });
  await Promise.race([reached ?? said.promise, early]);
  early.catch(() => undefined);
  command.child.kill(name);
  await command.ended;
  return { exit: command.exit, stdout: command.stdout, stderr };
}

async function expectWhole(...inodeIds: readonly bigint[]): Promise<void> {
  for (const inodeId of inodeIds) expect(await world.writer.readFault(inodeId)).toBeNull();
}

describe('inode', () => {
  it('the waiting ends, the job does not', async () => {
    await fragmentedFile();
    const { exit, stderr } = await stopped(['inode', '1', `${INODE}`], { line: /the job is/ });
    expect(stderr).toContain('the inode stays queued: a worker compacts it');
    expect(exit).toBe('130');
    expect(await world.clients.queue.jobIdOf({ fsId: 1, inodeId: INODE })).not.toBeNull();
  });

  it('SIGTERM has the exit code of what may work later', async () => {
    await fragmentedFile();
    const { exit, stderr } = await stopped(['inode', '1', `${INODE}`], { line: /the job is/, name: 'SIGTERM' });
    expect(exit).toBe('3');
    expect(stderr).toContain('the inode stays queued');
  });

  it('--inline: the file is as it was, and the same command goes on', async () => {
    await fragmentedFile();
    await world.command(['adopt', '1']);
    const before = await world.writer.state(INODE);
    const args = ['inode', '1', `${INODE}`, '--inline'];
    const { exit, stdout } = await stopped(args, { line: /waits for/, env: THROTTLED });
    expect(stdout).toContain('it was stopped');
    expect(stdout).toContain('nothing is lost');
    expect(exit).toBe('130');
    expect((await world.writer.state(INODE)).lists).toEqual(before.lists);
    expect(await world.compactInline(INODE)).toMatchObject({ ending: 'done', outcome: 'compacted' });
    await expectWhole(INODE);
  });
});

describe('a whole file system', () => {
  beforeEach(async () => {
    for (let id = 1n; id <= FILES; id++) await fragmentedFile(id);
  });

  it('scan: what is queued stays, and the next one goes on', async () => {
    const args = ['scan', '1', '--fragment-threshold', '5'];
    const env = { S3COMPACT_SCAN_QUEUE_MAX: '2' };
    const { exit, stdout } = await stopped(args, { line: /wait for room in the queue/, env });
    expect(stdout).toContain('the scan was stopped; what it queued stays queued, and the next one goes on');
    expect(exit).toBe('130');
    expect(await world.clients.queue.waitingCount()).toBe(2);
    const next = await world.command([...args, '--json']);
    expect(JSON.parse(next.stdout)).toMatchObject({ ending: 'done', queued: Number(FILES) - 2 });
  });

  it('run: the next run goes on', async () => {
    const args = ['run', '1', '--fragment-threshold', '5', '--shutdown-grace', '1s'];
    const { exit, stdout } = await stopped(args, { line: /[1-9]\d* waiting/, env: THROTTLED });
    expect(stdout).toContain('it was stopped');
    expect(stdout).toContain('nothing is lost: the next run goes on, or workers do');
    // What was handed back counts, too.
    const left = await world.clients.queue.queuedCount();
    expect(stdout).toMatch(new RegExp(`left +${left} jobs? in the queue`));
    expect(exit).toBe('130');
    const next = await world.command(['run', '1', '--fragment-threshold', '5', '--json']);
    expect(JSON.parse(next.stdout)).toMatchObject({ end: 'drained', chunksCompacted: Number(FILES), jobsLeft: 0 });
    await expectWhole(...Array.from({ length: Number(FILES) }, (_, n) => BigInt(n + 1)));
  });

  it('run, while it waits for reap records: who deletes them, and the next one knows of them', async () => {
    const args = ['run', '1', '--fragment-threshold', '5'];
    const { exit, stdout } = await stopped(args, {
      line: /waiting for \d+ reap records/,
      env: { S3COMPACT_GRACE: '1h' },
    });
    expect(stdout).toContain('it was stopped');
    expect(stdout).toContain(`${FILES} records left: a worker or "s3compact reap" deletes what they list`);
    expect(exit).toBe('130');
    const next = await world.command(args);
    expect(next.stdout).toContain(`none of this run left (${FILES} of earlier runs wait)`);
    expect(next.exitCode).toBe(0);
  });

  /** Answers that nothing is there until the question is one of these, which it leaves open. */
  function held(method: string, url: RegExp): Promise<void> {
    return new Promise((resolve) => {
      store.answer((request, response: ServerResponse) => {
        if (request.method === method && url.test(request.url)) resolve();
        else sendError(response, 404, 'NoSuchKey');
      });
    });
  }

  it('gc: nothing was deleted, and the next pass goes on', async () => {
    const before = await world.writer.bucketNames();
    const env = { AWS_ENDPOINT_URL_S3: store.endpoint };
    const { exit, stderr } = await stopped(['gc', '1'], { reached: held('GET', /list-type/), env });
    expect(stderr).toContain('gc was stopped: nothing was deleted, and the next pass goes on where this one was');
    expect(exit).toBe('130');
    expect(await world.writer.bucketNames()).toEqual(before);
  });

  it('fsck: it has changed nothing', async () => {
    const env = { AWS_ENDPOINT_URL_S3: store.endpoint };
    const { exit, stderr } = await stopped(['fsck', '1'], { reached: held('HEAD', /./), env });
    expect(stderr).toContain('the check was stopped; it has changed nothing, and the next one begins anew');
    expect(exit).toBe('130');
  });
});

it('a second Ctrl-C ends at once what does not stop', async () => {
  const module = new URL('../../src/cli/signals.ts', import.meta.url).href;
  const script = `
    const { untilStopped } = await import(${JSON.stringify(module)});
    setInterval(() => undefined, 1_000);
    await untilStopped({}, { left: '' }, (signal) => {
      signal.addEventListener('abort', () => console.log('asked'));
      console.log('at work');
      return new Promise(() => undefined);
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  const ended = once(child, 'exit');
  for (let signals = 0; signals < 2; signals++) {
    await Promise.race([once(child.stdout, 'data'), ended]);
    child.kill('SIGINT');
  }
  expect(await ended).toEqual([null, 'SIGINT']);
});
