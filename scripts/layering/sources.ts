/**
 * Reads the files that the rules are about. It stands alone because the command and the test both need them.
 * It must not judge.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sources } from './check.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Every TypeScript file below src/ and workers/, by its path in the project. */
export function readSources(): Sources {
  const files = ['src', 'workers'].flatMap((directory) =>
    readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return new Map(files.map((file) => [relative(ROOT, file).split(sep).join('/'), readFileSync(file, 'utf8')]));
}
