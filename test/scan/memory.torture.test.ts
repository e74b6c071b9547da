/** The memory of a scan does not grow with the file system: each scan in a process of its own (npm run bench:scan -- --memory: to a million). */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const CHILD = fileURLToPath(new URL('memory-child.ts', import.meta.url));
const MIB = 2 ** 20;
/** Else the heap takes what the machine has, and its size says nothing; a leak of 300 bytes an inode would not fit. */
const HEAP = ['--max-semi-space-size=4', '--max-old-space-size=60'];

async function scan(inodes: number): Promise<{ inodes: number; queued: number; peakBytes: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, [...HEAP, CHILD, `${inodes}`]);
  return JSON.parse(stdout) as { inodes: number; queued: number; peakBytes: number };
}

test('I8: twenty times the inodes take no more memory', async () => {
  const [small, large] = await Promise.all([scan(10_000), scan(200_000)]);
  expect(small).toMatchObject({ inodes: 10_000, queued: 1_000 });
  expect(large).toMatchObject({ inodes: 200_000, queued: 20_000 });
  expect(large.peakBytes).toBeLessThan(small.peakBytes + 30 * MIB);
});
