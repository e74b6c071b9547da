/**
 * The version of the package, from its package.json, wherever this file was built to. It stands apart because the program
 * and the metrics both tell it.
 */
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** As in package.json, or `unknown`. */
export function packageVersion(): string {
  const path = findPackageJSON('..', import.meta.url);
  const content: unknown = path === undefined ? {} : JSON.parse(readFileSync(path, 'utf8'));
  const { version } = content as { readonly version?: unknown };
  return typeof version === 'string' ? version : 'unknown';
}
