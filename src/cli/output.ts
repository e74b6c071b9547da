/**
 * What commands write and how they end: data on standard output, words about it on standard error, one exit code.
 * It stands alone so that every command reads the same. No secret and, unless asked for, no stack trace gets out here.
 */
import { CompactError, toError } from '../errors.ts';
import { redactText } from '../redact.ts';

/** Exit codes, listed in `--help`. `fault` is a mistake in s3compact itself. */
export const EXIT = { done: 0, fault: 1, usage: 2, retry: 3, halted: 4, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODE_HELP = `Exit codes:
  0    done, or nothing to do
  1    a fault in s3compact itself
  2    bad usage or settings
  3    conflict, or something that may work later: try again
  4    quarantined or halted: needs a person
  130  stopped by Ctrl-C (SIGINT); what was left is reported
`;

/** What a command needs of a stream; `process.stdout` is one. */
interface CliStream {
  /** `done`: it was written, or nobody reads it any more. */
  write(text: string, done?: (error?: Error | null) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export interface CliStreams {
  readonly stdout: CliStream;
  readonly stderr: CliStream;
}

/** Bad arguments: what commander cannot know. */
export class UsageError extends Error {}

/** The exit code that a failure stands for; `stopCode` that of work which was stopped from outside. */
export function exitCodeOf(thrown: unknown, stopCode: ExitCode = EXIT.retry): ExitCode {
  if (thrown instanceof UsageError) return EXIT.usage;
  if (!(thrown instanceof CompactError)) return EXIT.fault;
  if (thrown.code === 'settings-invalid') return EXIT.usage;
  if (thrown.code === 'cancelled') return stopCode;
  return thrown.kind === 'halt' ? EXIT.halted : EXIT.retry;
}

export interface ErrorStyle {
  readonly json: boolean;
  readonly stack: boolean;
  /** The command that was asked for, whose help tells more. */
  readonly command?: string;
  /** As for `exitCodeOf`. */
  readonly stopCode?: ExitCode;
}

/** A failure as one readable block, or as `{"error": {...}}` in one line. */
export function errorText(thrown: unknown, style: ErrorStyle): string {
  const error = toError(thrown);
  const exitCode = exitCodeOf(thrown, style.stopCode);
  const own = error instanceof CompactError ? error : undefined;
  const code = own?.code ?? (exitCode === EXIT.usage ? 'usage' : 'fault');
  const message = redactText(error.message);
  const stack = style.stack && error.stack !== undefined ? redactText(error.stack) : undefined;
  if (style.json) {
    const inode = own?.inode === undefined ? {} : { fsId: own.inode.fsId, inodeId: own.inode.inodeId.toString() };
    return `${toJson({ error: { code, ...(own === undefined ? {} : { kind: own.kind }), message, ...inode, exitCode, stack } })}\n`;
  }
  const next = own === undefined ? usageHint(exitCode, style.command) : (ADVICE[exitCode] ?? '');
  return `s3compact: ${message}\n${next === '' ? '' : `  ${next}\n`}${stack === undefined ? '' : `${stack}\n`}`;
}

const ADVICE: Partial<Readonly<Record<ExitCode, string>>> = {
  3: '(exit code 3: the same command may succeed later)',
  4: '(exit code 4: needs a person)',
  130: '(exit code 130: stopped by Ctrl-C)',
};

function usageHint(exitCode: ExitCode, command?: string): string {
  return exitCode === EXIT.usage
    ? `(exit code 2; "s3compact ${command === undefined ? '' : `${command} `}--help" tells more)`
    : '(exit code 1: a fault in s3compact; run again with --log-level debug and report what it prints)';
}

/** JSON for programs: numbers exact, ids as decimal text. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? item.toString() : item), indent);
}

/** The same with an indent of two, element by element of its lists: whole, it may be longer than a string can be. */
export function* jsonParts(value: unknown, indent = ''): Generator<string> {
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  if (!hasLists(value)) {
    yield toJson(value ?? null, 2).replaceAll('\n', `\n${indent}`);
    return;
  }
  let before = isList ? '[' : '{';
  for (const [name, one] of Object.entries(value)) {
    if (one === undefined && !isList) continue;
    yield `${before}\n${inner}${isList ? '' : `${JSON.stringify(name)}: `}`;
    yield* jsonParts(one, inner);
    before = ',';
  }
  yield `\n${indent}${isList ? ']' : '}'}`;
}

function hasLists(value: unknown): value is object {
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === 'object' && value !== null && Object.values(value).some(Array.isArray);
}
