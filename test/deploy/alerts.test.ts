/**
 * The rules of deploy/prometheus: promtool accepts them, every alert fires when it should and not when it should not,
 * says what to do and where to read on, and uses only metrics that there are.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ALERTS, GROUPS, HAS_PROMTOOL, metricsIn, promtool, RECORDS } from './rules.ts';

interface Case {
  readonly at: string;
  readonly series: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Cases {
  readonly fires: Case;
  readonly silent: Readonly<Record<string, Case>>;
}

const CASES = parse(readFileSync(new URL('alerts.yaml', import.meta.url), 'utf8')) as Readonly<Record<string, Cases>>;
const named = ALERTS.map((rule) => [rule.alert, rule] as const);

/** More than this many hours are judged every five minutes, or the cases would take minutes. */
const LONG_HOURS = 12;

/** What the alert needs and nothing else. Without annotations: promtool wants them word for word; they are judged below. */
function rulesFor(alertname: string) {
  const alert = ALERTS.find(({ alert: name }) => name === alertname);
  const uses = metricsIn(alert?.expr ?? '');
  const rules = GROUPS.flatMap((group) => group.rules).filter(
    (rule) => rule.alert === alertname || (rule.record !== undefined && uses.includes(rule.record)),
  );
  return { groups: [{ name: alertname, rules: rules.map(({ annotations: _, ...rule }) => rule) }] };
}

function promtoolCase(alertname: string, name: string, { at, series, labels }: Case) {
  const severity = ALERTS.find(({ alert }) => alert === alertname)?.labels?.['severity'];
  return {
    name: `${alertname}: ${name}`,
    interval: '1m',
    input_series: Object.entries(series).map(([key, values]) => ({ series: key, values: String(values) })),
    alert_rule_test: [
      { eval_time: at, alertname, exp_alerts: labels === undefined ? [] : [{ exp_labels: { severity, ...labels } }] },
    ],
  };
}

/** Cases by alert, in one run of promtool. */
function judge(cases: Readonly<Record<string, Readonly<Record<string, Case>>>>) {
  const files: Record<string, unknown> = {};
  for (const [alert, byName] of Object.entries(cases)) {
    const hours = Math.max(...Object.values(byName).map(({ at }) => (at.endsWith('h') ? Number.parseInt(at, 10) : 0)));
    files[`${alert}.rules.yaml`] = rulesFor(alert);
    files[`${alert}.yaml`] = {
      rule_files: [`${alert}.rules.yaml`],
      evaluation_interval: hours > LONG_HOURS ? '5m' : '1m',
      tests: Object.entries(byName).map(([name, one]) => promtoolCase(alert, name, one)),
    };
  }
  return promtool(['test', 'rules', ...Object.keys(cases).map((alert) => `${alert}.yaml`)], files);
}

describe.skipIf(!HAS_PROMTOOL)('promtool', () => {
  it('accepts the rules', () => {
    expect(promtool(['check', 'rules', 'rules.yaml'], { 'rules.yaml': { groups: GROUPS } }).words).toContain(
      `${ALERTS.length + RECORDS.length} rules found`,
    );
    expect(
      promtool(['check', 'rules', 'rules.yaml'], {
        'rules.yaml': { groups: [{ name: 'x', rules: [{ alert: 'X', expr: 'sum(' }] }] },
      }).ok,
    ).toBe(false);
  });

  it('sees every alert fire in its case, and not in those that look alike', () => {
    const cases = Object.entries(CASES).map(([alert, { fires, silent }]) => [alert, { fires, ...silent }]);
    const { ok, words } = judge(Object.fromEntries(cases));
    expect(words).not.toContain('FAILED');
    expect(ok).toBe(true);
    expect(words.match(/SUCCESS/g)).toHaveLength(ALERTS.length);
  });

  it('would notice an alert that does not fire, and one that fires beside the point', () => {
    const { fires } = CASES['S3CompactQuarantined'] as Cases;
    const { labels: _, ...silent } = fires;
    expect(judge({ S3CompactQuarantined: { fires } }).ok).toBe(true);
    expect(judge({ S3CompactQuarantined: { silent } }).ok).toBe(false);
    expect(judge({ S3CompactQuarantined: { early: { ...fires, at: '1m' } } }).ok).toBe(false);
    expect(judge({ S3CompactQuarantined: { other: { ...fires, labels: { namespace: 'm' } } } }).ok).toBe(false);
  });
});

describe('alerts', () => {
  it('have cases, each of them and no other', () => {
    expect(Object.keys(CASES).toSorted()).toEqual(ALERTS.map(({ alert }) => alert).toSorted());
    for (const { silent } of Object.values(CASES)) expect(Object.keys(silent).length).toBeGreaterThan(0);
  });

  it.each(named)('%s says how bad it is, what it is and where to read on', (alert, { labels, annotations }) => {
    expect(['critical', 'warning', 'info']).toContain(labels?.['severity']);
    expect(Object.keys(annotations ?? {}).toSorted()).toEqual([
      'dashboard_url',
      'description',
      'runbook_url',
      'summary',
    ]);
    expect(annotations?.['runbook_url']).toBe(`https://s3compact.example/docs/runbook.md#${alert.toLowerCase()}`);
    expect(annotations?.['dashboard_url']).toMatch(/\/d\/s3compact$/);
    expect((annotations?.['summary'] ?? '').length).toBeLessThan(120);
    const used = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label ?? '');
    const there = Object.keys(CASES[alert]?.fires.labels ?? {});
    expect(used.filter((label) => !there.includes(label))).toEqual([]);
  });

  it('have a heading each in the runbook, and it has no other', () => {
    const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
    const headings = [...runbook.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(ALERTS.map(({ alert }) => alert));
    for (const section of runbook.split(/^## /m).slice(1)) {
      for (const part of ['**Means**', '**Look**', '**Do**', '**Worry**']) expect(section).toContain(part);
    }
  });

  it('use recorded series only if they are recorded', () => {
    const recorded = ALERTS.flatMap(({ expr }) => metricsIn(expr)).filter((name) => name.includes(':'));
    expect(recorded.length).toBeGreaterThan(0);
    expect(recorded.filter((name) => !RECORDS.includes(name))).toEqual([]);
  });
});
