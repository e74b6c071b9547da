/**
 * Arguments and options that several commands share: an inode key, a limit. Strict decimal, so that a
 * mistyped id is refused before anything is looked up.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { formOf, parseNumber } from '../config/units.ts';
import { decimalId, decimalNumber } from '../format.ts';
import { UsageError } from './output.ts';

/** Adds `<fs> <inode>`, where a path from the root of the volume may stand for the inode; the action gets a number, and a bigint or a text. */
export function withFileArguments(command: Command): Command {
  return command
    .argument('<fs>', 'id of the file system', parseCount)
    .argument('<inode>', 'id of the inode; of a JuiceFS volume also a path', parseInodeOrPath);
}

/** An inode, or a path from the root of the volume. */
export function parseInodeOrPath(text: string): bigint | string {
  return text.startsWith('/') ? text : parseInodeId(text);
}

/** For metadata that has no paths. Throws UsageError for one. */
export function inodeNumber(inode: bigint | string): bigint {
  if (typeof inode === 'bigint') return inode;
  throw new UsageError(`${inode}: this metadata has no paths that could be looked up; give the number of the inode`);
}

/** A whole number up to 2^53. */
export function parseCount(text: string): number {
  const value = decimalNumber(text);
  if (value === null) throw new InvalidArgumentError('It must be a whole number in plain decimal.');
  return value;
}

/** Rows to show; 0 means all. */
export function parseLimit(text: string): number {
  const value = parseCount(text);
  return value === 0 ? Number.POSITIVE_INFINITY : value;
}

/** A duration in milliseconds, of which an example is given to whoever mistypes it. */
export function durationLike(example: string, leastMs = 0): (text: string) => number {
  return (text) => {
    const ms = parseNumber(formOf('duration'), text);
    if (ms === null || ms < leastMs) throw new InvalidArgumentError(`It must be a duration such as ${example}.`);
    return ms;
  };
}

export function parseInodeId(text: string): bigint {
  const value = decimalId(text);
  if (value === null) throw new InvalidArgumentError('It must be a whole number below 2^64 in plain decimal.');
  return value;
}
