#!/usr/bin/env node
/**
 * The command `s3compact`: checks the Node.js version, then hands over to the CLI. Plain JavaScript, so that an old
 * Node.js can say that it is too old. A source checkout runs the sources, never a forgotten build of older ones; the
 * published package has no sources and runs its build.
 */
import '../scripts/require-node.cjs';
import { existsSync } from 'node:fs';

const source = new URL('../src/cli/main.ts', import.meta.url);
const built = new URL('../dist/src/cli/main.js', import.meta.url);
const { main } = await import(existsSync(source) ? source.href : built.href);
await main();
