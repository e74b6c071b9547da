/**
 * Who chooses: the base holds nothing of one installation, an overlay as it is shipped wakes nothing and needs no operator
 * of others, and what an operator writes into a copy of it reaches every object. Nothing is applied to a cluster.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/cli/main.ts';
import { DEPLOY, KUSTOMIZE, type Manifest, overlayText, render, renderChosen, UNCHOSEN } from './manifests.ts';
import { podsOf } from './pods.ts';
import { ALERTS, type RuleGroup } from './rules.ts';

const OVERLAYS = ['redis', 'curvefs'];

describe('what is shared by all installations', () => {
  const files = globSync(['base/*', 'components/*/*'], { cwd: DEPLOY });

  it.each(files)('%s leaves the choice to the overlay', (path) => {
    const text = readFileSync(join(DEPLOY, path), 'utf8');
    expect(text).not.toContain('CHANGE');
    expect(text).not.toMatch(/newName|newTag|image: .*[:/]/);
    // Only names that nobody can have, and the pod itself.
    expect(
      text.match(/https?:\/\/(?!127\.0\.0\.1\b|prometheus\.invalid\b|s3compact\.example\b|grafana\.example\b)\S+/g),
    ).toBeNull();
    for (const [, args = ''] of text.matchAll(/args: \[(.*)\]/g)) expect(args).not.toMatch(/\d/);
  });

  it('a task without a file system is refused', async () => {
    for (const task of ['scan', 'run', 'scheduler'])
      for (const rest of [[], [UNCHOSEN]]) expect(await exitCodeOf([task, ...rest])).toBe(2);
    expect(await exitCodeOf(['inode', '', '', '--inline'])).toBe(2);
  });
});

async function exitCodeOf(args: readonly string[]): Promise<number> {
  const nowhere = { write: () => '' };
  return run(args, {}, { stdout: nowhere, stderr: nowhere });
}

describe.skipIf(KUSTOMIZE === undefined).each(OVERLAYS)('overlays/%s', (overlay) => {
  const shipped = KUSTOMIZE === undefined ? [] : render(`overlays/${overlay}`);
  const kinds = (manifests: readonly Manifest[]) => manifests.map(({ kind }) => kind);

  it('wakes nothing and needs no operator until somebody chooses', () => {
    expect(awake(shipped)).toEqual([]);
    const foreign = shipped.filter(({ apiVersion }) => /monitoring\.coreos|keda/.test(apiVersion));
    expect(kinds(foreign)).toEqual([]);
    for (const task of ['scan', 'run']) expect(argsOf(shipped, task)).toEqual([task, UNCHOSEN]);
    expect(overlayText(overlay)).toMatch(/CHANGE: .*image.*\n.*\n *newName: \S+\/s3compact$/m);
  });

  it('gives everything what is chosen in it', () => {
    const chosen = renderChosen(overlay, ['monitoring', 'autoscale', 'scan']);
    expect(awake(chosen)).toEqual(['s3compact-scan']);
    expect(argsOf(chosen, 'scan')).toEqual(['scan', '7']);
    expect(new Set(podsOf(chosen).flatMap(({ spec }) => spec.containers.map(({ image }) => image)))).toEqual(
      new Set(['registry.example/s3compact:0.1.0']),
    );
    expect(JSON.stringify(chosen)).not.toMatch(/FILE-SYSTEM-ID|\.invalid/);
    for (const kind of ['PodMonitor', 'PrometheusRule'])
      expect(chosen.find((one) => one.kind === kind)?.metadata.labels).toMatchObject({ release: 'prometheus' });
    const scheduled = renderChosen(overlay, ['scheduler']);
    expect(awake(scheduled)).toEqual([]);
    expect(argsOf(scheduled, 'scheduler')).toEqual(['scheduler', '7']);
  });

  it('lets pods reach nobody but whom it says, and be reached by nobody else', () => {
    const { spec } = shipped.find(({ kind }) => kind === 'NetworkPolicy') as unknown as Policy;
    expect(spec.egress.length).toBeGreaterThan(3);
    for (const { to = [], ports = [] } of spec.egress) {
      expect(to.length).toBeGreaterThan(0);
      expect(ports.length).toBeGreaterThan(0);
      const open = to.some(({ namespaceSelector }) => Object.keys(namespaceSelector ?? { '': 0 }).length === 0);
      if (open) expect(ports.map(({ port }) => port)).toEqual([53, 53]);
    }
    expect(spec.ingress.map(({ from = [] }) => from.length)).toEqual([1]);
  });

  it('with jobs only has every alert but the one that would always fire', () => {
    const rule = renderChosen(overlay, ['monitoring', 'jobs-only']).find(({ kind }) => kind === 'PrometheusRule');
    const { groups } = (rule?.['spec'] ?? { groups: [] }) as { readonly groups: readonly RuleGroup[] };
    const alerts = groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? []));
    expect(alerts).toEqual(ALERTS.map(({ alert }) => alert).filter((alert) => alert !== 'S3CompactAbsent'));
  });
});

interface Policy {
  readonly spec: {
    readonly ingress: readonly { readonly from?: readonly unknown[] }[];
    readonly egress: readonly {
      readonly to?: readonly { readonly namespaceSelector?: object }[];
      readonly ports?: readonly { readonly port: number }[];
    }[];
  };
}

function awake(manifests: readonly Manifest[]): string[] {
  const jobs = manifests.filter(({ kind }) => kind === 'CronJob');
  expect(jobs.length).toBeGreaterThan(3);
  return jobs
    .filter((job) => (job['spec'] as { readonly suspend?: boolean }).suspend !== true)
    .map(({ metadata }) => metadata.name);
}

function argsOf(manifests: readonly Manifest[], task: string): readonly string[] | undefined {
  return podsOf(manifests).find(({ name }) => name.endsWith(` s3compact-${task}`))?.spec.containers[0]?.args;
}
