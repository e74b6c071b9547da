/**
 * Checks source texts against the table of rules.ts: imports, cycles, purity, who owns the process, sizes.
 * It stands alone so that the test can feed it planted violations. It must not read files.
 */
import { FILE_LINES_MAX, GROUPS, type Group, OPENING_LINES_MAX, OPENING_LINES_MIN } from './rules.ts';

export interface Violation {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly rule: 'unknown-group' | 'import' | 'cycle' | 'pure' | 'process' | 'suppression' | 'size' | 'opening';
  readonly message: string;
}

interface Import {
  readonly line: number;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/** Path relative to the project → its text. */
export type Sources = ReadonlyMap<string, string>;

/** `import … from 'x'`, `export … from 'x'`, `import 'x'`: Biome puts each at the start of a line. */
const STATIC_IMPORT = /^(?:import|export)\b(\s+type\b)?(?:[^'"`;]*?\bfrom)?\s*['"]([^'"]+)['"]/gm;
const DYNAMIC_IMPORT = /\b(?:import|require)\(\s*['"`]([^'"`]+)['"`]/g;
const IMPURE =
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.|\bset(?:Timeout|Interval|Immediate)\b|\bcrypto\./;
const PROCESS = /\bprocess\.(?:env|exit|exitCode|argv|kill|on|once)\b/;
const SUPPRESSION = /biome-ignore|@ts-(?:ignore|expect-error|nocheck)|eslint-disable/;

/** Every violation in the sources, by file and line. */
export function checkLayering(sources: Sources): readonly Violation[] {
  const violations = [...sources].flatMap(([file, text]) => checkFile(file, text, sources));
  return [...violations, ...findCycles(sources)].toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

function checkFile(file: string, text: string, sources: Sources): readonly Violation[] {
  const group = groupOf(file);
  const style = [...checkSize(file, text), ...checkLines(file, text, group)];
  if (group !== undefined) return [...style, ...checkImports(file, text, { group, sources })];
  const message = `belongs to no group: give it one in scripts/layering/rules.ts`;
  return [...style, { file, line: 1, rule: 'unknown-group', message }];
}

function checkImports(
  file: string,
  text: string,
  about: { readonly group: Group; readonly sources: Sources },
): readonly Violation[] {
  const { group, sources } = about;
  return importsOf(text).flatMap(({ line, specifier, typeOnly }): readonly Violation[] => {
    const complain = (message: string): readonly Violation[] => [{ file, line, rule: 'import', message }];
    if (!specifier.startsWith('.')) {
      if (group.packages.some((allowed) => covers(allowed, specifier, typeOnly))) return [];
      return complain(`${group.name} may not import ${specifier} (allowed: ${listed(group.packages)})`);
    }
    const target = resolve(file, specifier);
    if (!sources.has(target)) return complain(`${group.name} may not import ${target}: not a file of src/ or workers/`);
    const other = groupOf(target)?.name;
    if (other === undefined || other === group.name || group.groups.includes(other)) return [];
    return complain(`${group.name} may not import ${other} (allowed: ${listed(group.groups)})`);
  });
}

function checkLines(file: string, text: string, group: Group | undefined): readonly Violation[] {
  const rules = [
    { rule: 'suppression', pattern: SUPPRESSION, applies: true, message: 'no suppressions: mend the cause' },
    { rule: 'pure', pattern: IMPURE, applies: group?.pure === true, message: 'no clock, randomness or I/O here' },
    {
      rule: 'process',
      pattern: PROCESS,
      applies: group?.owner !== true,
      message: 'only cli/ and workers/ own the process and its environment',
    },
  ] as const;
  const withoutComments = text.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(^|\s)\/\/.*$/gm, blank);
  return rules.flatMap(({ rule, pattern, applies, message }) =>
    applies
      ? findLines(rule === 'suppression' ? text : withoutComments, pattern).map((line) => ({
          file,
          line,
          rule,
          message,
        }))
      : [],
  );
}

function checkSize(file: string, text: string): readonly Violation[] {
  const lines = text.trimEnd().split('\n').length;
  const opening = (/^(?:#!.*\n)?\/\*\*[\s\S]*?\*\//.exec(text)?.[0] ?? '')
    .split('\n')
    .filter((line) => line !== '').length;
  const violations: Violation[] = [];
  if (lines > FILE_LINES_MAX) {
    const message = `${lines} lines; split it by responsibility (at most ${FILE_LINES_MAX})`;
    violations.push({ file, line: FILE_LINES_MAX + 1, rule: 'size', message });
  }
  if (opening < OPENING_LINES_MIN || opening > OPENING_LINES_MAX) {
    const message = `opens with a comment of ${opening} lines (${OPENING_LINES_MIN} to ${OPENING_LINES_MAX}: what for, why alone, what not)`;
    violations.push({ file, line: 1, rule: 'opening', message });
  }
  return violations;
}

/** One violation for each cycle, reported at the import that closes it. */
function findCycles(sources: Sources): readonly Violation[] {
  const violations: Violation[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    path.push(file);
    for (const { line, specifier } of importsOf(sources.get(file) ?? '')) {
      const target = specifier.startsWith('.') ? resolve(file, specifier) : '';
      const begin = path.indexOf(target);
      if (begin >= 0) {
        const message = `import cycle: ${[...path.slice(begin), target].join(' → ')}`;
        violations.push({ file, line, rule: 'cycle', message });
      } else if (sources.has(target) && !done.has(target)) visit(target);
    }
    path.pop();
    done.add(file);
  };
  for (const file of sources.keys()) if (!done.has(file)) visit(file);
  return violations;
}

function importsOf(text: string): readonly Import[] {
  const statics = [...text.matchAll(STATIC_IMPORT)].map((match) => ({
    line: lineOf(text, match.index),
    specifier: match[2] ?? '',
    typeOnly: match[1] !== undefined,
  }));
  const dynamics = [...text.matchAll(DYNAMIC_IMPORT)].map((match) => ({
    line: lineOf(text, match.index),
    specifier: match[1] ?? '',
    typeOnly: false,
  }));
  return [...statics, ...dynamics];
}

function groupOf(file: string): Group | undefined {
  const covers = ({ name }: Group): boolean => file === name || file.startsWith(`${name}/`);
  return GROUPS.filter(covers).toSorted((a, b) => b.name.length - a.name.length)[0];
}

function covers(allowed: string, specifier: string, typeOnly: boolean): boolean {
  if (allowed.startsWith('type ')) return typeOnly && allowed.slice('type '.length) === specifier;
  return allowed.endsWith('*') ? specifier.startsWith(allowed.slice(0, -1)) : allowed === specifier;
}

function resolve(file: string, specifier: string): string {
  return new URL(specifier, `file:///${file}`).pathname.slice(1);
}

function findLines(text: string, pattern: RegExp): readonly number[] {
  return text.split('\n').flatMap((line, index) => (pattern.test(line) ? [index + 1] : []));
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

/** The same lines with nothing on them. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ');
}
