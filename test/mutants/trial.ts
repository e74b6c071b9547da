/**
 * One run of the tests in one copy, and what it came to. It must not mistake a program that does not even load for one
 * that a test has caught, nor wait for ever for one that hangs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** `passed`: no test noticed anything; the slowest took so long. `broken`: it told nothing about the fault. */
export type Outcome =
  | { readonly kind: 'passed'; readonly slowestMs: number }
  | { readonly kind: 'failed'; readonly by: string; readonly message: string }
  | { readonly kind: 'hung'; readonly by: string }
  | { readonly kind: 'broken'; readonly why: string };

export interface TrialOptions {
  /** Test files in the order in which they are to be run. */
  readonly tests: readonly string[];
  readonly timeoutMs: number;
  /** For each test; absent: as long as the ordinary suite allows. */
  readonly testTimeoutMs?: number;
}

/** The part of vitest's JSON report that is read here. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
      readonly duration?: number | null;
    }[];
  }[];
}

const OUTPUT_TAIL_CHARS = 2_000;
/** The part of the seeds that a fault is tried against: who is not caught by these is caught by few. */
const SIM_SHARE = process.env['S3COMPACT_SIM_SHARE'] ?? '0.2';
const running = new Set<ChildProcess>();

/** Ends what is running; for a runner that is asked to stop. */
export function endTrials(): void {
  for (const child of running) endGroup(child);
}

/** Runs the tests until the first failure. */
export async function runTests(copy: string, options: TrialOptions): Promise<Outcome> {
  const report = join(copy, 'mutants-report.json');
  const vitest = join(copy, 'node_modules', 'vitest', 'vitest.mjs');
  const flags = ['--root', '.', '--config', 'test/mutants/vitest.config.ts'];
  const child = spawn(process.execPath, [vitest, 'run', ...flags, '--reporter=json', `--outputFile=${report}`], {
    cwd: copy,
    env: {
      ...process.env,
      S3COMPACT_TEST_EMBEDDED: '1',
      S3COMPACT_SIM_SHARE: SIM_SHARE,
      S3COMPACT_MUTANTS_TESTS: options.tests.join(','),
      ...(options.testTimeoutMs !== undefined && { S3COMPACT_MUTANTS_TIMEOUT_MS: `${options.testTimeoutMs}` }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: workers that spin do not notice that their parent has ended.
    detached: true,
  });
  running.add(child);
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-OUTPUT_TAIL_CHARS);
    });
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup(child);
  }, options.timeoutMs);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  endGroup(child);
  running.delete(child);
  if (late) return { kind: 'hung', by: `no end within ${Math.round(options.timeoutMs / 1000)} s` };
  if (!existsSync(report)) return { kind: 'broken', why: `the tests did not run: ${tail.trim()}` };
  return judged(JSON.parse(readFileSync(report, 'utf8')) as Report, { copy, code, tail });
}

function judged(
  report: Report,
  run: { readonly copy: string; readonly code: number | null; readonly tail: string },
): Outcome {
  for (const file of report.testResults) {
    const failed = file.assertionResults.find((test) => test.status === 'failed');
    if (failed === undefined) continue;
    const by = `${relative(run.copy, file.name)}: ${failed.fullName}`;
    const message = failed.failureMessages.join('\n');
    return /timed out in \d+ ?ms/.test(message) ? { kind: 'hung', by } : { kind: 'failed', by, message };
  }
  const unloaded = report.testResults.find((file) => file.status === 'failed');
  if (unloaded !== undefined)
    return { kind: 'broken', why: `${relative(run.copy, unloaded.name)}: ${unloaded.message}` };
  if (run.code === 0) return { kind: 'passed', slowestMs: slowest(report) };
  return { kind: 'failed', by: 'an error that no test waited for', message: run.tail.trim() };
}

function slowest({ testResults }: Report): number {
  const all = testResults.flatMap((file) => file.assertionResults.map((test) => test.duration ?? 0));
  return Math.max(0, ...all);
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has ended.
  }
}
