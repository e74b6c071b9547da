/**
 * The rules of deploy/prometheus and what Debian's promtool makes of them. It stands apart because rules, dashboard and
 * the manifest of the Prometheus operator are checked by the same words. It runs no Prometheus.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { hasPrometheus } from '../kit/servers/prometheus.ts';

export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RuleGroup {
  readonly name: string;
  readonly interval?: string;
  readonly rules: readonly Rule[];
}

export const RULES_FILE = fileURLToPath(new URL('../../deploy/prometheus/rules.yaml', import.meta.url));
const { groups } = parse(readFileSync(RULES_FILE, 'utf8')) as { readonly groups: readonly RuleGroup[] };

export const GROUPS: readonly RuleGroup[] = groups;
export const ALERTS = groups.flatMap(({ rules }) =>
  rules.flatMap((rule) => (rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }])),
);
export const RECORDS = groups.flatMap(({ rules }) =>
  rules.flatMap((rule) => (rule.record === undefined ? [] : [rule.record])),
);

/** Whether Debian's `prometheus` package is installed; throws where real servers are required and it is not. */
export const HAS_PROMTOOL = hasPrometheus();

/** Runs promtool over files that are written for it and thrown away; its words, whatever it says of them. */
export function promtool(
  args: readonly string[],
  files: Readonly<Record<string, unknown>>,
): { ok: boolean; words: string } {
  const directory = mkdtempSync(join(tmpdir(), 's3compact-promtool-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), stringify(content));
    const words = execFileSync('promtool', [...args], { cwd: directory, encoding: 'utf8', stdio: 'pipe' });
    return { ok: true, words };
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return { ok: false, words: `${stdout}${stderr}` || String(error) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Names of metrics in an expression; recorded ones too. Labels, functions and words of PromQL are left out. */
export function metricsIn(expr: string): string[] {
  const bare = expr.replace(/\{[^}]*\}/g, '').replace(/"[^"]*"/g, '');
  const names =
    bare.match(/\b(?:s3compact_\w+|process_\w+|nodejs_\w+|up|namespace\w*:s3compact_[\w:]+)(?![\w:])/g) ?? [];
  return [...new Set(names)];
}
