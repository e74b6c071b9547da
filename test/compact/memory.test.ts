/** Memory while merging is bounded by blocks in flight and does not grow with the chunk (I8). */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const CHILD = fileURLToPath(new URL('memory-child.ts', import.meta.url));
const MIB = 1024 * 1024;

async function peakBytes(chunkMib: number): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, String(chunkMib)]);
  return Number(stdout);
}

/** The middle of three: RSS depends a little on when the collector runs. */
async function medianPeak(chunkMib: number): Promise<number> {
  const peaks = [await peakBytes(chunkMib), await peakBytes(chunkMib), await peakBytes(chunkMib)];
  return peaks.sort((a, b) => a - b)[1] ?? 0;
}

it('64 MiB and 1 GiB chunks are merged within 20 % of each other', async () => {
  const small = await medianPeak(64);
  const large = await medianPeak(1024);
  const told = `peak RSS: 64 MiB chunk ${Math.round(small / MIB)} MiB, 1 GiB chunk ${Math.round(large / MIB)} MiB`;
  process.stdout.write(`${told}\n`);
  expect(large / small, told).toBeLessThan(1.2);
});
