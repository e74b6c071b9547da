/**
 * The Kubernetes objects of deploy/ as Kustomize makes them, and what Kubernetes' own schemas say of them. It stands apart
 * because several tests judge the same objects. The schemas are those of the API server (kubernetes-models, made from its
 * OpenAPI) and of the operators' custom resources; a field that no schema looks at is told too, as `kubectl apply`
 * with strict validation would.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
  readonly [field: string]: unknown;
}

export const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));

/** `kubectl kustomize` or `kustomize build`, of a version that knows components; Debian's kubectl is too old. */
export const KUSTOMIZE = findKustomize();

function findKustomize(): readonly string[] | undefined {
  const candidates = [
    { asks: ['kubectl', 'version', '--client'], runs: ['kubectl', 'kustomize'] },
    { asks: ['kustomize', 'version'], runs: ['kustomize', 'build'] },
  ];
  return candidates.find(({ asks: [program = '', ...args] }) => {
    const { stdout } = spawnSync(program, args, { encoding: 'utf8' });
    return Number(/v(\d+)\.\d+\.\d+\s*$/.exec((stdout ?? '').trim())?.[1]) >= 4;
  })?.runs;
}

/** The objects of a folder of deploy/. Throws what Kustomize says. */
export function render(folder: string): Manifest[] {
  const [program = '', ...args] = KUSTOMIZE ?? [];
  const { status, stdout, stderr } = spawnSync(program, [...args, folder], { encoding: 'utf8', cwd: DEPLOY });
  // A warning is a field that will go away.
  if (status !== 0 || stderr !== '') throw new Error(stderr);
  return manifestsIn(stdout);
}

/** What stands in an overlay until the operator has chosen. */
export const UNCHOSEN = 'FILE-SYSTEM-ID';

export const overlayText = (overlay: string): string =>
  readFileSync(join(DEPLOY, 'overlays', overlay, 'kustomization.yaml'), 'utf8');

/** The objects of a copy of an overlay in which an operator chose components, file system 7 and all that is a comment. */
export function renderChosen(overlay: string, components: readonly string[]): Manifest[] {
  const directory = mkdtempSync(join(tmpdir(), 's3compact-kustomize-'));
  try {
    const inner = join(directory, 'overlay');
    mkdirSync(inner);
    const chosen = overlayText(overlay)
      .replace(/# (?=- \.\.\/\.\.\/components\/([\w-]+))/g, (words, name: string) =>
        components.includes(name) ? '' : words,
      )
      .replace(/^( +)# (?=- (?:target|S3COMPACT)| {2}patch:| {4}- \{)/gm, '$1')
      // As it is typed: the quotes that make it text stand in the overlay.
      .replaceAll(UNCHOSEN, '7')
      .replaceAll('- ../..', `- ${relative(inner, DEPLOY)}`);
    writeFileSync(join(inner, 'kustomization.yaml'), chosen);
    return render(inner);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if ('errors' in document && document.errors.length > 0) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

type Validate = ((data: unknown) => boolean) & { readonly errors?: readonly SchemaError[] | null };
interface SchemaError {
  readonly instancePath: string;
  readonly message?: string;
  readonly keyword: string;
  readonly params: unknown;
}

/** Kind → where its schema is. */
const SCHEMAS: Readonly<Record<string, string>> = {
  'v1/Namespace': 'kubernetes-models/_schemas/IoK8sApiCoreV1Namespace',
  'v1/ServiceAccount': 'kubernetes-models/_schemas/IoK8sApiCoreV1ServiceAccount',
  'v1/ConfigMap': 'kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap',
  'v1/Service': 'kubernetes-models/_schemas/IoK8sApiCoreV1Service',
  'apps/v1/Deployment': 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment',
  'batch/v1/CronJob': 'kubernetes-models/_schemas/IoK8sApiBatchV1CronJob',
  'batch/v1/Job': 'kubernetes-models/_schemas/IoK8sApiBatchV1Job',
  'policy/v1/PodDisruptionBudget': 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget',
  'networking.k8s.io/v1/NetworkPolicy': 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy',
  'monitoring.coreos.com/v1/PodMonitor':
    '@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1PodMonitor',
  'monitoring.coreos.com/v1/PrometheusRule':
    '@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1PrometheusRule',
  'keda.sh/v1alpha1/ScaledObject':
    '@kubernetes-models/keda/_schemas/ComGithubKedacoreKedaV2ApisKedaV1alpha1ScaledObject',
};

/** What is wrong with an object: what the schema refuses, and fields that it does not know. */
export async function faultsOf(manifest: Manifest): Promise<string[]> {
  const name = `${manifest.apiVersion}/${manifest.kind}`;
  const path = SCHEMAS[name];
  if (path === undefined) return [`there is no schema for ${name}`];
  // By its place: the package exports classes, which would hide unknown fields of the top level from us.
  const place = new URL(`../../node_modules/${path}.js`, import.meta.url).href;
  const { validate } = (await import(/* @vite-ignore */ place)) as { readonly validate: Validate };
  const looks: Look[] = [];
  const valid = validate(watched(manifest, '', looks));
  const refused = (valid ? [] : (validate.errors ?? [])).map(
    ({ instancePath, message, keyword, params }) =>
      `${instancePath}: ${message ?? `${keyword} ${JSON.stringify(params)}`}`,
  );
  const unknown = looks.flatMap(({ path: where, fields, seen }) =>
    fields.filter((field) => !seen.has(field)).map((field) => `${where}/${field}: no such field`),
  );
  return [...refused, ...unknown];
}

/** An object of a manifest, and which of its fields the schema's code has read. */
interface Look {
  readonly path: string;
  readonly fields: readonly string[];
  readonly seen: Set<string>;
}

/** The schemas allow unknown fields; but their compiled code reads all that they know, so what it never reads is unknown. */
function watched(value: unknown, path: string, looks: Look[]): unknown {
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([field, inner]) => [field, watched(inner, `${path}/${field}`, looks)]);
  if (Array.isArray(value)) return entries.map(([, inner]) => inner);
  const seen = new Set<string>();
  looks.push({ path, fields: Object.keys(value), seen });
  return new Proxy(Object.fromEntries(entries) as Record<string, unknown>, {
    get: (target, field) => {
      seen.add(String(field));
      return Reflect.get(target, field);
    },
  });
}
