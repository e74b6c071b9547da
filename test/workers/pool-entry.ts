/** A process of a pool that does what its slot's pool was told: answers, dies at once, takes all memory, refuses for good, refuses for now. */
import type { PoolAnswer, PoolOrder } from '../../workers/processes/child-process.ts';

process.on('message', (order: PoolOrder) => {
  const how = process.env['POOL_ENTRY'];
  if (order.kind === 'stop' && how !== 'silent') process.exit(0);
  if (order.kind === 'ask' && how === 'serve')
    process.send?.({ kind: 'snapshot', id: order.id, snapshot: { pid: process.pid, notReady: [], jobs: [] } });
  if (order.kind !== 'start') return;
  if (how === 'count') {
    const values = [{ value: 1, labels: {} }];
    const metric = { name: 'runs_total', help: 'x', type: 'counter', aggregator: 'sum', values };
    const snapshot = { pid: process.pid, notReady: [], jobs: [], metrics: [metric] };
    process.send?.({ kind: 'snapshot', id: 0, snapshot }, undefined, undefined, () => process.exit(7));
    return;
  }
  if (how === 'die') process.exit(7);
  if (how === 'kill') process.kill(process.pid, 'SIGKILL');
  if (how === 'silent') return;
  if (how === 'serve') {
    process.send?.({ kind: 'started' });
    return;
  }
  // Text of one byte a letter, on the heap; what cannot be held ends the process.
  for (const held: string[] = []; how === 'hog'; )
    held.push(`${held.length}`.padEnd(1_000_000, 'x').split('').join('-'));
  const kind = how === 'halt' ? 'halt' : 'retry';
  const refused: PoolAnswer = {
    kind: 'refused',
    error: { kind, code: 'queue-unfit', message: 'the queue is not fit' },
  };
  process.send?.(refused, undefined, undefined, () => process.exit(3));
});
