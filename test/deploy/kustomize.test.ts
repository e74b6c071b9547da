/**
 * The overlays of deploy/ as Kustomize makes them: every object fits its schema, every pod is confined, has an end to
 * everything, and is given settings and commands that s3compact knows. Nothing is applied to a cluster. Without Kustomize
 * only the plain objects of the base and the components are judged.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { run } from '../../src/cli/main.ts';
import { CONSOLE_TOKEN, loadSettings, SDK_NAMES, SETTINGS } from '../../src/config/index.ts';
import { COMMAND_NAMES } from '../../src/config/spec.ts';
import { listenAddress } from '../../src/console/server.ts';
import { METRICS } from '../../src/observe/metric-table.ts';
import { DEPLOY, faultsOf, KUSTOMIZE, type Manifest, manifestsIn, render, renderChosen } from './manifests.ts';
import { badMatchers } from './metrics.ts';
import { type Container, podsOf, selects } from './pods.ts';
import { GROUPS, metricsIn } from './rules.ts';

const RULE_FILE = join(DEPLOY, 'components/monitoring/prometheusrule.yaml');
/** Made by the operator, never by us; see the overlays. */
const SECRET = 's3compact-credentials';
const SECRET_VALUES = {
  REDIS_URL: 'redis://:secret@redis:6379',
  AWS_ACCESS_KEY_ID: 'id',
  AWS_SECRET_ACCESS_KEY: 'key',
};
const ENVIRONMENT_NAMES = new Set([
  ...SETTINGS.map(({ env }) => env),
  ...SDK_NAMES.flatMap(([names]) => names.split(', ')),
]);
const MIB = 1024 * 1024;
/** What a process of Node.js with our code takes beside the bytes of merges: docs/operations.md, "Sizing". */
const PROCESS_BYTES = 240 * MIB;
/** The process above several others. */
const MAIN_BYTES = 160 * MIB;
/** What closing may take after the shutdown grace: `workers/worker.ts` cancels and closes, each bounded. */
const CLOSING_S = 10;

const rendered: readonly (readonly [string, () => Manifest[]])[] = [
  ['overlays/redis', () => render('overlays/redis')],
  ['overlays/curvefs', () => render('overlays/curvefs')],
  ['scaled, fed by a CronJob', () => renderChosen('redis', ['monitoring', 'autoscale', 'scan'])],
  ['scaled, fed by a scheduler', () => renderChosen('curvefs', ['monitoring', 'autoscale', 'scheduler'])],
  ['jobs only', () => renderChosen('redis', ['jobs-only'])],
  ['with a console', () => renderChosen('redis', ['monitoring', 'console'])],
];

describe('plain objects', () => {
  const files = globSync(['base/*.yaml', 'components/*/*.yaml'], { cwd: DEPLOY }).filter(
    (path) => !path.endsWith('kustomization.yaml'),
  );

  it.each(files)('%s fits its schema and opens with words for the operator', async (path) => {
    const text = readFileSync(join(DEPLOY, path), 'utf8');
    const manifests = manifestsIn(text);
    expect(manifests.length).toBeGreaterThan(0);
    for (const manifest of manifests) expect(await faultsOf(manifest)).toEqual([]);
    expect(text).toMatch(/^# \w/);
  });

  it('would be refused with a wrong field, a wrong type, a missing field or an unknown kind', async () => {
    const [worker] = manifestsIn(readFileSync(join(DEPLOY, 'base/worker.yaml'), 'utf8'));
    if (worker === undefined) throw new Error('no worker');
    const broken = (change: (manifest: { spec: Record<string, unknown>; kind: string }) => void): Manifest => {
      const copy = structuredClone(worker) as unknown as { spec: Record<string, unknown>; kind: string };
      change(copy);
      return copy as unknown as Manifest;
    };
    expect(await faultsOf(worker)).toEqual([]);
    expect(await faultsOf(broken(({ spec }) => (spec['replica'] = 2)))).toEqual(['/spec/replica: no such field']);
    expect(await faultsOf(broken(({ spec }) => (spec['replicas'] = 'two')))).toHaveLength(1);
    expect(await faultsOf(broken(({ spec }) => delete spec['selector']))).toHaveLength(1);
    expect(await faultsOf(broken((manifest) => (manifest.kind = 'Deploymint')))).toHaveLength(1);
    const [monitor] = manifestsIn(readFileSync(join(DEPLOY, 'components/monitoring/podmonitor.yaml'), 'utf8'));
    const wrong = {
      ...monitor,
      spec: { ...(monitor?.['spec'] as object), podMetricsEndpoint: [] },
    } as unknown as Manifest;
    expect(await faultsOf(wrong)).toEqual(['/spec/podMetricsEndpoint: no such field']);
  });

  it('the rule object holds the rules of prometheus/rules.yaml', () => {
    const words =
      '# Made from ../../prometheus/rules.yaml; change it there (UPDATE_GOLDEN=1 npx vitest run test/deploy writes this anew).\n';
    const rule = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: 's3compact', labels: { 'app.kubernetes.io/name': 's3compact' } },
      spec: { groups: GROUPS },
    };
    const text = words + stringify(rule, { lineWidth: 0 });
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(RULE_FILE, text);
    expect(readFileSync(RULE_FILE, 'utf8')).toBe(text);
  });
});

describe.skipIf(KUSTOMIZE === undefined).each(rendered)('%s', (name, make) => {
  const manifests = KUSTOMIZE === undefined ? [] : make();
  const pods = podsOf(manifests);
  const all = (kind: string) => manifests.filter((manifest) => manifest.kind === kind);

  it('fits the schemas', async () => {
    expect(manifests.length).toBeGreaterThan(5);
    for (const manifest of manifests) {
      expect(await faultsOf(manifest), `${manifest.kind} ${manifest.metadata.name}`).toEqual([]);
      if (manifest.kind !== 'Namespace') expect(manifest.metadata.namespace).toBeDefined();
    }
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('takes the name of its image from the overlay alone', () => {
    const images = new Set(pods.flatMap(({ spec }) => spec.containers.map(({ image }) => image)));
    expect(images.size).toBe(1);
  });

  it('has no secret', () => {
    expect(all('Secret')).toEqual([]);
    expect(JSON.stringify(manifests)).not.toMatch(/:\/\/[^/"]*:[^/"]*@|AKIA[0-9A-Z]{16}/);
    for (const { data } of all('ConfigMap') as (Manifest & { data: Record<string, string> })[]) {
      expect(Object.keys(data).filter((key) => /SECRET|PASSWORD|ACCESS_KEY|TOKEN$/.test(key))).toEqual([]);
    }
  });

  it.each(pods.map((pod) => [pod.name, pod] as const))('%s is confined', (_, { spec }) => {
    expect(spec.automountServiceAccountToken).toBe(false);
    expect(all('ServiceAccount').map(({ metadata }) => metadata.name)).toContain(spec.serviceAccountName);
    expect(spec.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(Object.keys(spec).filter((field) => field.startsWith('host') || field === 'volumes')).toEqual([]);
    for (const { securityContext, image } of spec.containers) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(image).toMatch(/:\d+\.\d+\.\d+$/);
    }
  });

  it.each(pods.map((pod) => [pod.name, pod] as const))(
    '%s is given settings that s3compact knows and accepts',
    (_, { spec }) => {
      for (const container of spec.containers) {
        const env = environmentOf(container, manifests);
        const expanded = (container.args ?? []).filter((arg) => arg.includes('$(')).join(' ');
        const unknown = Object.keys(env).filter(
          (key) => !ENVIRONMENT_NAMES.has(key) && !expanded.includes(`$(${key})`),
        );
        expect(unknown).toEqual([]);
        const settings = loadSettings({ env: { ...env, ...SECRET_VALUES } });
        expect(spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(settings.shutdownGraceMs / 1000 + CLOSING_S);
        const limit = bytesOf(container.resources?.limits?.['memory']);
        const { processes, memoryBytes } = settings;
        const needed = processes * (PROCESS_BYTES + memoryBytes) + (processes > 1 ? MAIN_BYTES : 0);
        expect(limit).toBeGreaterThanOrEqual(needed);
        expect(bytesOf(container.resources?.requests?.['memory'])).toBeLessThanOrEqual(limit);
        expect(container.resources?.requests?.['cpu']).toBeDefined();
      }
    },
  );

  it.each(pods.map((pod) => [pod.name, pod] as const))('%s runs a command that there is', async (_, { spec }) => {
    for (const { args = [] } of spec.containers) {
      const [command = '', ...rest] = args;
      expect(COMMAND_NAMES as readonly string[]).toContain(command);
      let help = '';
      await run(
        [command, '--help-settings'],
        {},
        { stdout: { write: (text) => (help += text) }, stderr: { write: () => '' } },
      );
      expect(help).toMatch(new RegExp(`^Usage: s3compact ${command}\\b`, 'm'));
      for (const flag of rest.filter((arg) => arg.startsWith('--'))) expect(help).toContain(flag);
    }
  });

  it('has jobs that end', () => {
    for (const { spec, kind } of pods) {
      if (kind !== 'CronJob') continue;
      expect(spec.restartPolicy).toBe('Never');
    }
    for (const manifest of all('CronJob')) {
      const { schedule, concurrencyPolicy, jobTemplate } = manifest['spec'] as CronJobSpec;
      expect(schedule.split(' ')).toHaveLength(5);
      expect(concurrencyPolicy).toBe('Forbid');
      const { backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished } = jobTemplate.spec;
      for (const bound of [backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished])
        expect(bound).toBeGreaterThan(0);
    }
  });

  it('has selectors that find pods, and ports that they have', () => {
    const selectors = [...all('Deployment'), ...all('PodDisruptionBudget'), ...all('PodMonitor')].map(
      (manifest) => (manifest['spec'] as { selector: { matchLabels: Record<string, string> } }).selector.matchLabels,
    );
    const policies = all('NetworkPolicy').map(
      (manifest) =>
        (manifest['spec'] as { podSelector: { matchLabels: Record<string, string> } }).podSelector.matchLabels,
    );
    expect(policies).toHaveLength(1);
    for (const selector of [...selectors, ...policies])
      expect(pods.some(({ labels }) => selects(selector, labels))).toBe(true);
    // Nothing of ours goes out or is reached but as the policy says.
    for (const { labels } of pods) expect(selects(policies[0] ?? {}, labels)).toBe(true);
    for (const { spec } of pods) {
      for (const { ports = [], livenessProbe, readinessProbe, startupProbe, env = [] } of spec.containers) {
        const names = ports.map((port) => port.name);
        const probes = [livenessProbe, readinessProbe, startupProbe].flatMap((probe) =>
          probe === undefined ? [] : [probe],
        );
        for (const { httpGet } of probes) if (httpGet !== undefined) expect(names).toContain(httpGet.port);
        const metricsPort = env.find((one) => one.name === 'S3COMPACT_METRICS_PORT')?.value;
        const listen = env.find((one) => one.name === 'S3COMPACT_CONSOLE_LISTEN')?.value;
        const wanted = [metricsPort, listen?.split(':')[1]].filter((port) => port !== undefined);
        expect(ports.map((port) => String(port.containerPort))).toEqual(wanted);
      }
    }
  });

  it('has services of pods that there are, with ports that these have', () => {
    expect(all('Service')).toHaveLength(name === 'with a console' ? 1 : 0);
    for (const service of all('Service')) {
      const { selector, ports, type } = service['spec'] as ServiceSpec;
      expect(type).toBe('ClusterIP');
      const found = pods.filter(({ labels }) => selects(selector, labels));
      expect(found).toHaveLength(1);
      const names = found
        .flatMap(({ spec }) => spec.containers.flatMap((one) => one.ports ?? []))
        .map((one) => one.name);
      expect(ports.map(({ targetPort }) => targetPort)).toEqual(names);
    }
  });

  it.runIf(name === 'with a console')(
    'has a console that only its own pod reaches, that only reads, and that answers its probe',
    async () => {
      const [pod] = pods.filter(({ name: of }) => of === 'Deployment s3compact-console');
      const [container] = pod?.spec.containers ?? [];
      if (container === undefined) throw new Error('no console');
      const env = environmentOf(container, manifests);
      const { consoleListen, consoleActions } = loadSettings({ env: { ...env, ...SECRET_VALUES } });
      expect(listenAddress(consoleListen, false)).toEqual({ host: '127.0.0.1', port: 9401 });
      expect([consoleActions, env[CONSOLE_TOKEN]]).toEqual([undefined, undefined]);
      const [program, ...args] = container.livenessProbe?.exec?.command ?? [];
      expect(program).toBe('node');
      expect(args.join(' ')).toContain(`http://${consoleListen}/icon.svg`);
      const server = createServer((_, answer) => answer.end('here')).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const probe = async () =>
        (
          await once(
            spawn(
              process.execPath,
              args.map((arg) => arg.replace(':9401', `:${port}`)),
            ),
            'exit',
          )
        )[0];
      expect(await probe()).toBe(0);
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      expect(await probe()).toBe(1);
    },
  );

  it.runIf(name.startsWith('scaled'))('is scaled by a number that KEDA alone sets', () => {
    const [scaled] = all('ScaledObject');
    const spec = scaled?.['spec'] as ScaledSpec | undefined;
    const target = all('Deployment').find(({ metadata }) => metadata.name === spec?.scaleTargetRef.name);
    expect(target).toBeDefined();
    expect(target?.['spec']).not.toHaveProperty('replicas');
    expect(spec?.triggers).toHaveLength(1);
    const known = METRICS.map(({ name }) => name as string);
    for (const { metadata } of spec?.triggers ?? []) {
      expect(metricsIn(metadata.query).filter((metric) => !known.includes(metric))).toEqual([]);
      expect(metricsIn(metadata.query)).not.toEqual([]);
      expect(badMatchers(metadata.query)).toEqual([]);
    }
  });

  it.runIf(name.startsWith('jobs only'))('has nothing but jobs, and one that reaps', () => {
    expect([...all('Deployment'), ...all('PodDisruptionBudget'), ...all('ScaledObject'), ...all('PodMonitor')]).toEqual(
      [],
    );
    const awake = all('CronJob').filter((manifest) => (manifest['spec'] as CronJobSpec).suspend !== true);
    expect(awake.map(({ metadata }) => metadata.name).toSorted()).toEqual(['s3compact-reap', 's3compact-run']);
  });
});

interface ServiceSpec {
  readonly type: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly { readonly targetPort: string }[];
}

interface ScaledSpec {
  readonly scaleTargetRef: { readonly name: string };
  readonly triggers: readonly { readonly metadata: { readonly query: string } }[];
}

interface CronJobSpec {
  readonly schedule: string;
  readonly suspend?: boolean;
  readonly concurrencyPolicy: string;
  readonly jobTemplate: {
    readonly spec: {
      readonly backoffLimit: number;
      readonly activeDeadlineSeconds: number;
      readonly ttlSecondsAfterFinished: number;
    };
  };
}

/** Everything that the container's environment is made of, but for the Secret. */
function environmentOf({ env = [], envFrom = [] }: Container, manifests: readonly Manifest[]): Record<string, string> {
  const maps = envFrom.map(({ configMapRef, secretRef }) => {
    if (secretRef !== undefined) expect(secretRef.name).toBe(SECRET);
    if (configMapRef === undefined) return {};
    const map = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef.name);
    expect(map, `ConfigMap ${configMapRef.name}`).toBeDefined();
    return map?.['data'] as Record<string, string>;
  });
  return Object.assign({}, ...maps, Object.fromEntries(env.map(({ name, value }) => [name, value])));
}

function bytesOf(quantity: string | undefined): number {
  const [, count, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity ?? '') ?? [];
  return Number(count) * (unit === 'Gi' ? 1024 : 1) * MIB;
}
