/**
 * I4 from end to end: a whole compaction whose PUTs are answered by something that keeps nothing. Whatever 2xx it
 * answers, nothing is committed, and every byte reads as before.
 */
import { describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../../src/objects/port.ts';
import { World } from '../../sim/world.ts';
import { expectFailure } from '../contract.ts';
import { DATA_PATHS, useFaultBench } from '../fault-bench.ts';

const ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code></Error>';

describe.each(DATA_PATHS)('by the %s way', (dataPath) => {
  const bench = useFaultBench({ dataPath });

  it.each([
    [200, {}, ERROR],
    [200, { etag: '"x"' }, ERROR],
    [200, { 'content-type': 'text/html' }, '<html>login</html>'],
    [202, { etag: '"x"' }, ''],
    [204, {}, ''],
  ] as const)('PUTs that are answered %i %o commit nothing', async (status, headers, body) => {
    bench().server.answer((_request, response) => response.writeHead(status, { ...headers }).end(body));
    const s3 = bench().open();
    const world = new World();
    for (const [offset, length] of [
      [0, 6],
      [2, 3],
      [8, 4],
      [5, 2],
      [1, 2],
    ] as const)
      world.write(offset, length);
    const before = world.snapshot();
    const store = world.stores.forFilesystem(world.filesystem);
    const mixed: ObjectStore = {
      getRange: (...read) => store.getRange(...read),
      getWhole: (...read) => store.getWhole(...read),
      putIfAbsent: (...put) => s3.putIfAbsent(...put),
      head: (...head) => store.head(...head),
      list: (...list) => store.list(...list),
      delete: (...names) => store.delete(...names),
    };
    world.stores.forFilesystem = () => mixed;
    await expectFailure(world.compact(), 'retry', 'store-unavailable');
    expect(bench().server.seen.length).toBeGreaterThan(0);
    expect(world.snapshot()).toEqual(before);
    expect(world.readFault(before)).toBeNull();
  });
});
