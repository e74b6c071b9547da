/**
 * Copies of the project in temporary folders: one as it is in the work tree when the run starts, uncommitted edits
 * included, and one of that for each fault. They stand alone so that nothing here can ever change the work tree.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Edit, edited } from './fault.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export class Copies {
  readonly #folder = mkdtempSync(join(tmpdir(), 's3compact-mutants-'));
  #count = 0;

  constructor() {
    // What Git tracks, and what it would: a new file counts as well.
    const listed = git(ROOT, ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
    for (const file of new Set(listed.split('\0'))) {
      if (file === '' || !existsSync(join(ROOT, file))) continue;
      mkdirSync(dirname(join(this.original, file)), { recursive: true });
      cpSync(join(ROOT, file), join(this.original, file));
    }
    symlinkSync(join(ROOT, 'node_modules'), join(this.original, 'node_modules'));
  }

  /** The copy that nobody changes. */
  get original(): string {
    return join(this.#folder, 'original');
  }

  /** A fresh copy; whoever takes it removes it. */
  take(): string {
    const copy = join(this.#folder, `copy-${++this.#count}`);
    cpSync(this.original, copy, { recursive: true, verbatimSymlinks: true });
    return copy;
  }

  remove(copy = this.#folder): void {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Changes the files of a copy. Throws when an edit does not fit; returns the changed files. */
export function applyEdits(copy: string, edits: readonly Edit[]): string[] {
  for (const edit of edits) {
    const path = join(copy, edit.file);
    writeFileSync(path, edited(readFileSync(path, 'utf8'), edit));
  }
  return [...new Set(edits.map((edit) => edit.file))];
}

/** The same for a patch as `git diff` writes it. */
export function applyPatch(copy: string, patch: string): string[] {
  const path = resolve(patch);
  git(copy, ['apply', path]);
  const lines = git(copy, ['apply', '--numstat', path]).trim().split('\n');
  return lines.map((line) => line.split('\t')[2] ?? '');
}

/** Git outside any repository but the one of the folder itself; throws with what Git said. */
function git(folder: string, args: readonly string[]): string {
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(folder) };
  return execFileSync('git', [...args], { cwd: folder, env, encoding: 'utf8', stdio: 'pipe', maxBuffer: 2 ** 26 });
}
