/**
 * Memory of a pass of gc does not grow with the bucket: 10 million objects fit in 512 MiB. Here a tenth and a hundredth
 * of that are compared; `GC_OBJECTS=10000000` makes the larger run the whole.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const CHILD = fileURLToPath(new URL('memory-child.ts', import.meta.url));
const LARGE = Number(process.env['GC_OBJECTS'] ?? 1_000_000);
const TIMEOUT_MS = 900_000;

async function pass(objects: number) {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, `${objects}`]);
  return JSON.parse(stdout) as Record<
    'referenced' | 'leaked' | 'faultsTotal' | 'noted' | 'peakMiB' | 'seconds',
    number
  >;
}

it('I8: a pass over many objects takes no more memory than one over a few', { timeout: TIMEOUT_MS }, async () => {
  const small = await pass(100_000);
  const large = await pass(LARGE);
  console.log(
    `gc of ${LARGE} objects: peak RSS ${large.peakMiB} MiB in ${large.seconds} s; of 100,000: ${small.peakMiB} MiB`,
  );
  for (const [found, objects] of [
    [small, 100_000],
    [large, LARGE],
  ] as const) {
    expect(found).toMatchObject({ leaked: objects / 1_000, referenced: objects - objects / 1_000, faultsTotal: 0 });
    expect(found.noted).toBe(found.leaked);
    expect(found.peakMiB).toBeLessThan(512);
  }
});
