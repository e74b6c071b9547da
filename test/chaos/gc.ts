/**
 * The backstop at the end of a chaos run: `s3compact gc --delete` as an operator runs it, pass after pass, until it has
 * deleted as many objects as the verdict found unreferenced. What it may delete is its own business; whether it deleted the
 * right ones is judged by holding every byte and the whole bucket against the history once more.
 */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FS_ID } from './settings.ts';
import type { Tally } from './tally.ts';

const COMMAND = fileURLToPath(new URL('../../bin/s3compact.js', import.meta.url));
/** Two looks at least lease + grace apart, and the minimum age, with room for a slow machine. */
const DEADLINE_MS = 300_000;
const PASS_EVERY_MS = 2_000;

/** What we read of a pass's report. */
interface Report {
  readonly deleted: { readonly objects: number };
}

/** Deletes through gc until `expected` objects are gone, or says why not. */
export async function collectAway(
  expected: number,
  env: Readonly<Record<string, string>>,
  tally: Tally,
): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (tally.of('collected') < expected) {
    if (performance.now() > endMs) {
      tally.violate(`gc deleted ${tally.of('collected')} of ${expected} unreferenced objects`);
      return;
    }
    const { code, stdout, stderr } = await command(['gc', `${FS_ID}`, '--delete', '--inodeless', '--json'], env);
    if (code !== 0) {
      tally.violate(`gc ended with ${code}: ${stderr} ${stdout}`);
      return;
    }
    const report = JSON.parse(stdout) as Report;
    tally.add('gcPasses');
    tally.add('collected', report.deleted.objects);
    if (tally.of('collected') < expected) await delay(PASS_EVERY_MS);
  }
}

function command(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | string | null | undefined; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env, S3COMPACT_LOG_LEVEL: 'warn' } };
    execFile(process.execPath, [COMMAND, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}
