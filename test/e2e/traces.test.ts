/**
 * Traces of a real worker process at an OTLP receiver: a span for each run with its phases and S3 requests below it, one
 * for each look of reap; nothing is sent, and nothing loaded, where no endpoint is set.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTracing } from '../../src/wiring/tracing.ts';
import { loadCase } from '../kit/cases/load.ts';
import { eventually } from '../queue/world.ts';
import { E2eWorld } from './world.ts';

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}
interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: OtlpSpan['attributes'] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

let receiver: Server;
let endpoint: string;
const bodies: OtlpBody[] = [];
const headers: (string | undefined)[] = [];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      headers.push(request.headers['x-tenant'] as string | undefined);
      if (request.url === '/v1/traces') bodies.push(JSON.parse(text) as OtlpBody);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});
afterAll(() => {
  receiver.closeAllConnections();
  receiver.close();
});

function spans(): OtlpSpan[] {
  return bodies.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
  );
}

function attribute({ attributes }: Pick<OtlpSpan, 'attributes'>, key: string): unknown {
  return Object.values(attributes.find((one) => one.key === key)?.value ?? {})[0];
}

it('a run, its phases and its requests are one trace, and looks of reap tell the attempt', async () => {
  const world = await E2eWorld.open('traces', { env: { S3COMPACT_FRAGMENT_THRESHOLD: '3' } });
  try {
    await world.writer.createInode(5n);
    await world.writer.append(5n, loadCase('tar-append.mid'));
    const worker = world.startWorker({
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=tests',
      OTEL_RESOURCE_ATTRIBUTES: 'k8s.pod.name=pod-7',
    });
    await world.clients.queue.enqueue({ fsId: 1, inodeId: 5n }, 'scan');
    const ended = () => world.clients.queue.queue.getCompletedCount();
    await eventually('the run has ended', async () => (await ended()) === 1);
    const pending = () => world.clients.ledger.queue.getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized');
    await eventually('all is reaped', async () => (await pending()) === 0);
    worker.kill('SIGTERM');
    await once(worker, 'exit');
    const run = spans().find((span) => span.name === 'run');
    if (run === undefined) throw new Error('no span of the run');
    expect(attribute(run, 'inodeId')).toBe('5');
    expect(attribute(run, 's3compact.ending')).toBe('done');
    const attempt = attribute(run, 's3compact.attempt');
    expect(attempt).toMatch(/^\d{10,}$/);
    const phases = spans().filter((span) => span.parentSpanId === run.spanId);
    expect(new Set(phases.map(({ name }) => name))).toEqual(new Set(['plan', 'record', 'merge', 'commit', 'end']));
    for (const phase of phases) {
      expect(phase.traceId).toBe(run.traceId);
      expect(BigInt(phase.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(run.startTimeUnixNano));
      expect(BigInt(phase.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(run.endTimeUnixNano));
    }
    const merge = phases.filter(({ name }) => name === 'merge').map(({ spanId }) => spanId);
    const requests = spans().filter((span) => merge.includes(span.parentSpanId ?? ''));
    const job = (await world.clients.queue.queue.getCompleted())[0]?.returnvalue as { cost: Record<string, number> };
    expect(requests.filter(({ name }) => name === 's3 get')).toHaveLength(job.cost['readRequests'] ?? 0);
    expect(requests.filter(({ name }) => name === 's3 put')).toHaveLength(job.cost['writeRequests'] ?? 0);
    const look = spans().find((span) => span.name === 'reap');
    expect(look && attribute(look, 'attempt')).toBe(attempt);
    const resource = bodies[0]?.resourceSpans[0]?.resource ?? { attributes: [] };
    expect(attribute(resource, 'service.name')).toBe('s3compact');
    expect(attribute(resource, 'k8s.pod.name')).toBe('pod-7');
    expect(new Set(headers)).toEqual(new Set(['tests']));
  } finally {
    await world.close();
  }
});

describe('tracing is off', () => {
  it.each([
    ['without an endpoint', {}],
    ['with an empty one', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
    ['when the SDK is disabled', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h', OTEL_SDK_DISABLED: 'true' }],
    ['when no exporter is wanted', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h', OTEL_TRACES_EXPORTER: 'none' }],
  ])('%s', async (_, env) => {
    expect(await openTracing(env)).toBeUndefined();
  });

  it('for the runs that the sampler leaves out', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: 'always_off' };
    const tracing = await openTracing(env);
    expect(tracing?.tracer.startSpan('run').isRecording()).toBe(false);
    await tracing?.close();
  });
});

it('all runs are traced where the share is left empty, as charts leave it', async () => {
  const env = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '' };
  const tracing = await openTracing({ ...env, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
  expect(tracing?.tracer.startSpan('run').isRecording()).toBe(true);
  await tracing?.close();
});
