/**
 * `s3compact doctor FS`: is everything there that compaction of this file system needs? Asked before the first worker is
 * started, and when something does not work. It only looks, unless --write lets it try objects of its own in the bucket;
 * nothing else is written, queued or deleted.
 */
import type { Command } from 'commander';
import type { Settings } from '../config/index.ts';
import { plural } from '../view/words.ts';
import { parseCount } from './arguments.ts';
import type { CliContext } from './context.ts';
import { asking, type Check, type CheckStatus } from './doctor-check.ts';
import { EXIT, type ExitCode } from './output.ts';
import { CountProgress } from './progress.ts';
import { paragraph, type TextStyle } from './table.ts';

const HELP = `
With --write a bucket with versioning keeps old versions of what was tried, as of everything that is deleted there.

Exit code 0 when the file system can be compacted, warnings or not; 3 when something failed that may pass (a server is
away), 4 when a person has to act.

With --json: {fsId, fit: boolean, checks: [{check, status: "ok" | "warning" | "failed" | "unknown", found, advice?}]}`;

const MARKS: Readonly<Record<CheckStatus, string>> = { ok: 'ok', warning: 'WARNING', failed: 'FAILED', unknown: '-' };

/** What --write comes to of a JuiceFS volume. */
const NOT_TRIED: Check = {
  check: 'put',
  status: 'unknown',
  found: 'not asked: nothing is written into the bucket of a JuiceFS volume but by a run',
};

const PATIENCE_MAX_MS = 2_000;
/** A page of a large bucket may take a store a while. */
const S3_TIMEOUT_MAX_MS = 5_000;

export function register(command: Command, context: CliContext): void {
  command
    .argument('<fs>', 'id of the file system', parseCount)
    .option('--write', 'also put, read and delete objects of its own in the bucket, named s3compact-doctor-…')
    .addHelpText('after', HELP)
    .action(async (fsId: number, { write = false }: { readonly write?: boolean }) => {
      const progress = new CountProgress(context);
      const ask = asking((check) => {
        // Without a terminal the answer is enough.
        if (context.streams.stderr.isTTY === true) progress.show(`looking at: ${check}`);
      });
      const of = { settings: impatient(context.settings), log: context.logger, ask };
      const { checks, purpose } = await context
        .byLayout({
          blocks: async () => {
            const { runChecks } = await import('./doctor-checks.ts');
            return { checks: await runChecks(fsId, { ...of, write }), purpose: 'compaction' };
          },
          slices: async () => {
            const { runVolumeChecks } = await import('./slices/doctor-checks.ts');
            const checks = await runVolumeChecks(fsId, { ...of, connectMs: context.connectMs });
            const compacts = checks.some(({ check, status }) => check === 'compaction' && status === 'ok');
            const purpose = compacts ? 'compaction (the queue was not asked)' : 'reading';
            return { checks: write ? [...checks, NOT_TRIED] : checks, purpose };
          },
        })
        .finally(() => progress.stop());
      const exitCode = exitCodeFor(checks);
      const json = { fsId, fit: exitCode === EXIT.done, checks: checks.map(({ mayPass: _, ...check }) => check) };
      context.answer(json, () => doctorText({ fsId, purpose }, checks, context.style));
      context.exitCode = exitCode;
    });
}

/** Whoever asks wants an answer soon, not a server that may come back. */
function impatient(settings: Settings): Settings {
  return {
    ...settings,
    redisTimeoutMs: Math.min(settings.redisTimeoutMs, PATIENCE_MAX_MS),
    s3PatienceMs: Math.min(settings.s3PatienceMs, PATIENCE_MAX_MS),
    s3TimeoutMs: Math.min(settings.s3TimeoutMs, S3_TIMEOUT_MAX_MS),
  };
}

/** The gravest failure. */
function exitCodeFor(checks: readonly Check[]): ExitCode {
  const failures = checks.filter(({ status }) => status === 'failed');
  if (failures.length === 0) return EXIT.done;
  return failures.every(({ mayPass }) => mayPass === true) ? EXIT.retry : EXIT.halted;
}

function doctorText(
  { fsId, purpose }: { readonly fsId: number; readonly purpose: string },
  checks: readonly Check[],
  style: TextStyle,
): string {
  const width = Math.max(...checks.map(({ check }) => check.length));
  const indent = ' '.repeat(width + 13);
  const lines = checks.map(({ check, status, found, advice }) => {
    const text = MARKS[status].padEnd(7);
    const mark = status === 'failed' ? style.red(text) : status === 'warning' ? style.yellow(text) : text;
    const head = paragraph(`  ${check.padEnd(width)}  ${mark}  `, found, style.width);
    return advice === undefined ? head : `${head}\n${paragraph(indent, advice, style.width)}`;
  });
  const failures = checks.filter(({ status }) => status === 'failed').length;
  const warnings = checks.filter(({ status }) => status === 'warning').length;
  const verdict = failures > 0 ? `not fit: ${plural(failures, 'check')} failed` : `fit for ${purpose}`;
  const more = warnings > 0 ? `, ${plural(warnings, 'warning')}` : '';
  const files = failures > 0 ? [] : [`no file was read: "s3compact fsck ${fsId}" tells whether all can be`];
  return [`file system ${fsId} is ${verdict}${more}`, ...lines, ...files].join('\n');
}
