/** Pages that read lists are made one at a time: none keeps the turn for ever, whoever has left and whatever hangs. */
import { Hono } from 'hono';
import pLimit from 'p-limit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import { inTurn } from '../../src/console/app.ts';
import { volumeApp } from '../../src/console/slices/volume-app.ts';
import { VolumeWalk } from '../../src/console/slices/volume-walk.ts';
import { throwIfCancelled } from '../../src/errors.ts';
import type { SliceVolume } from '../../src/metadata/slice-volume.ts';
import { createLogger } from '../../src/observe/log.ts';
import { stepsOfRun, Tally } from '../../src/view/plan-steps.ts';
import { portView } from '../../src/wiring/cancellable.ts';
import { ConsoleWorld } from './world.ts';

const never = () => new Promise<never>(() => undefined);

/** A volume on which every call hangs. */
const HANGING = new Proxy({} as SliceVolume, { get: () => never });

describe('a page of a volume whose server hangs', () => {
  const { signal } = new AbortController();
  const fault = (error: unknown) => {
    throw error;
  };
  const app = volumeApp({
    turns: pLimit(1),
    turnMaxMs: 1,
    onFault: fault,
    log: createLogger({ level: 'silent' }),
    signal,
    volume: HANGING,
    settings: loadSettings({ flags: {}, env: { METADATA_URL: 'juicefs+redis://127.0.0.1:1/1' } }),
    walk: new VolumeWalk({ volume: HANGING, monotonicMs: () => performance.now(), signal }),
  });

  it.each(['/', '/files', '/stuck', '/files/1/5', '/files?inode=/a/path'])(
    '%s is given up after its time, in words',
    async (path) => {
      const answer = await app.request(path);
      expect(answer.status).toBe(503);
      expect(await answer.text()).toContain('was given up; look again later');
    },
  );
});

describe('a turn', () => {
  it('ends when whoever asked leaves, and begins no more for those who left while they waited', async () => {
    const turns = pLimit(1);
    const began: string[] = [];
    const first = Promise.withResolvers<void>();
    const app = new Hono();
    app.get('/:who', async (c) => {
      const work = async (signal: AbortSignal) => {
        began.push(c.req.param('who'));
        first.resolve();
        if (c.req.param('who') === 'last') return;
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        throwIfCancelled(signal, 'left');
      };
      await inTurn(c, { turns }, work);
      return c.text('');
    });
    app.onError((_, c) => c.text('', 503));
    const readers = new AbortController();
    const ask = (who: string) => app.request(`/${who}`, who === 'last' ? {} : { signal: readers.signal });
    const [one, two, last] = [ask('one'), ask('two'), ask('last')];
    await first.promise;
    readers.abort();
    expect((await Promise.all([one, two, last])).map(({ status }) => status)).toEqual([503, 503, 200]);
    expect(began).toEqual(['one', 'last']);
  });
});

describe('a file of blocks', () => {
  const KEY = { fsId: 1, inodeId: 500n };
  const asked = Promise.withResolvers<void>();
  let console: ConsoleWorld;
  /** What hangs, and hears of it. */
  let hanging: { readonly call: string; readonly asked: () => void } | undefined;
  const hangs = (name: PropertyKey): boolean => {
    if (name !== hanging?.call) return false;
    hanging.asked();
    return true;
  };

  beforeAll(async () => {
    console = await ConsoleWorld.open('turns', {
      clients: ({ metadata, quarantine }) => ({
        quarantine: portView(
          quarantine,
          (name, call) =>
            (...args) =>
              hangs(name) ? never() : call(...args),
        ),
        // Of one file the lists never come.
        metadata: portView(metadata, (name, call) => (...args) => {
          if (hangs(name)) return { [Symbol.asyncIterator]: () => ({ next: never }) };
          if (name !== 'readChunk' || (args[0] as typeof KEY).inodeId !== KEY.inodeId) return call(...args);
          asked.resolve();
          return never();
        }),
      }),
    });
    await console.store(KEY.inodeId);
    await console.store(501n);
  });
  afterAll(() => console.close());

  it('one whose lists never come leaves the turn to the next when its reader has left', async () => {
    const reader = new AbortController();
    const page = console.get('/files/1/500', { signal: reader.signal });
    await asked.promise;
    const next = console.text('/files/1/501');
    reader.abort();
    await expect(page).rejects.toThrow();
    expect(await next).toContain('File 1/501');
  });

  it.each([
    ['/stuck', 'part'],
    ['/files/1', 'readLists'],
  ])('%s leaves the turn to the next when its reader has left', async (path, call) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    hanging = { call, asked: resolve };
    const reader = new AbortController();
    const page = console.get(path, { signal: reader.signal });
    await promise;
    hanging = undefined;
    const next = console.text('/files/1/501');
    reader.abort();
    await expect(page).rejects.toThrow();
    expect(await next).toContain('File 1/501');
  });

  it('planning stops at the next chunk when it is given up, also once chunks are chosen', async () => {
    const { metadata, settings, ledger } = console.world.clients;
    const filesystem = await metadata.getFilesystem(1);
    if (filesystem === null) throw new Error('there is no file system');
    const key = { fsId: 1, inodeId: 501n };
    const ending = new AbortController();
    const endsWhenChosen = portView(metadata, (name, call) => (...args) => {
      if (name !== 'chunkIndexes') return call(...args);
      return (async function* () {
        yield* call(...args) as AsyncIterable<number>;
        ending.abort();
      })();
    });
    const input = { metadata: endsWhenChosen, filesystem, settings, tally: new Tally(key), ledger };
    const { signal } = ending;
    await expect(stepsOfRun(key, { ...input, signal }).next()).rejects.toThrow('planning was given up');
    await expect(stepsOfRun(key, { ...input, signal }).next()).rejects.toThrow('the attempt was cancelled');
    expect((await stepsOfRun(key, input).next()).done).toBe(false);
  });
});
