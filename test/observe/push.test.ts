/**
 * Pushing to a Pushgateway: a real one takes what a command counted, under its group, and a Prometheus gets it from there;
 * one that refuses, hangs or is away is a reason and nothing else, within bounded time.
 */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { aggregateRegistry } from '../../src/observe/aggregate.ts';
import { createLogger } from '../../src/observe/log.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { pushMetrics } from '../../src/observe/push.ts';
import { startPool } from '../../workers/processes/process-group.ts';
import { E2eWorld } from '../e2e/world.ts';
import { freePort } from '../kit/servers/free-port.ts';
import { hasPrometheus, startPrometheus, startPushgateway } from '../kit/servers/prometheus.ts';
import { eventually } from '../queue/world.ts';

const QUICK = { tries: 2, timeoutMs: 300, waitMs: 1 };
/** For servers that do answer, however slow this machine is. */
const PATIENT = { ...QUICK, timeoutMs: 60_000 };
let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

async function counted() {
  const metrics = new Metrics({ scopes: ['process'], defaults: false });
  metrics.count('s3compact_objects_deleted_total', 7);
  metrics.set('s3compact_last_success_timestamp_seconds', 1_700_000_000, { task: 'reap' });
  return metrics.json();
}

async function listen(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function target(url: string) {
  return { url, job: 's3compact', group: { command: 'reap', filesystem: '1' } };
}

describe('a gateway that', () => {
  it('refuses is asked again so often, and its reason is told', async () => {
    let asked = 0;
    const url = await listen((request, response) => {
      asked++;
      request.resume().on('end', () => response.writeHead(400).end(`no: ${'x'.repeat(10_000)}`));
    });
    const fault = await pushMetrics([await counted()], target(url), PATIENT);
    expect(fault).toContain('status 400');
    expect(fault?.length).toBeLessThanOrEqual(300);
    expect(asked).toBe(2);
  });

  it('is back at the second try has taken it', async () => {
    const seen: string[] = [];
    const url = await listen((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      request.resume().on('end', () => response.writeHead(seen.length === 1 ? 503 : 200).end());
    });
    expect(await pushMetrics([await counted()], target(`${url}/below`), PATIENT)).toBeUndefined();
    expect(seen[1]).toBe('PUT /below/metrics/job/s3compact/command/reap/filesystem/1');
  });

  it.each([
    ['says nothing', () => undefined],
    [
      'never ends its answer',
      (response: { write: (text: string) => unknown }) => {
        // Shorter pauses than the time-out of a silent connection.
        const timer = setInterval(() => response.write('x'), 20);
        timer.unref();
      },
    ],
  ])('%s is given up', async (_, answer) => {
    const url = await listen((request, response) => {
      request.resume();
      answer(response);
    });
    const beganMs = performance.now();
    expect(await pushMetrics([await counted()], target(url), QUICK)).toBeDefined();
    expect(performance.now() - beganMs).toBeLessThan(100_000);
  });

  it('is away is a reason', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    expect(await pushMetrics([await counted()], target(url), PATIENT)).toContain('ECONNREFUSED');
    expect(await pushMetrics([await counted()], target('http://user:secret@h h/'), QUICK)).toBeDefined();
  });
});

it('s3compact run pushes what its processes did, and s3compact scan what it found, under their file system', async () => {
  const pushed: { url: string; body: string }[] = [];
  const url = await listen((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      pushed.push({ url: request.url ?? '', body });
      response.end();
    });
  });
  const world = await E2eWorld.open('push-scan', {
    env: { S3COMPACT_FRAGMENT_THRESHOLD: '3', S3COMPACT_PUSHGATEWAY_URL: url },
  });
  try {
    for (const inodeId of [1n, 2n, 3n]) await world.writer.createInode(inodeId);
    for (let n = 0; n < 8; n++) await world.writer.write(2n, n * 100, 200);
    expect((await world.command(['scan', '1'])).exitCode).toBe(0);
    expect((await world.command(['run', '1', '--processes', '2'])).exitCode).toBe(0);
    expect(pushed.map((one) => one.url)).toEqual(
      ['scan', 'run'].map((command) => `/metrics/job/s3compact/command/${command}/filesystem/1`),
    );
    const [scan = '', run = ''] = pushed.map(({ body }) => body);
    expect(scan).toContain('\ns3compact_scan_inodes_total{result="worthwhile"} 1\n');
    expect(scan).toContain('\ns3compact_scan_inodes_total{result="nothing"} 2\n');
    expect(scan).toContain('\ns3compact_scan_enqueued_total{result="queued"} 1\n');
    expect(scan).toContain('\ns3compact_scans_total{result="complete"} 1\n');
    expect(scan).toMatch(/^s3compact_last_success_timestamp_seconds\{task="scan"\} 1\d{9}/m);
    expect(run).toContain('\ns3compact_runs_completed_total{result="done",reason="compacted"} 1\n');
    expect(run).toMatch(/^s3compact_objects_deleted_total [1-9]/m);
  } finally {
    await world.close();
  }
});

it('what the processes of a pool have counted is known after their end', async () => {
  const env = { S3COMPACT_PUSHGATEWAY_URL: 'http://127.0.0.1:9', S3COMPACT_FRAGMENT_THRESHOLD: '3' };
  const world = await E2eWorld.open('push-pool', { env: { ...env, S3COMPACT_PROCESSES: '2' } });
  try {
    await world.writer.createInode(9n);
    for (let n = 0; n < 8; n++) await world.writer.write(9n, n * 100, 200);
    const pool = startPool(world.settings, createLogger({ level: 'silent' }));
    await world.clients.queue.enqueue({ fsId: 1, inodeId: 9n }, 'scan');
    await eventually('the run has ended', async () => (await world.clients.queue.queue.getCompletedCount()) === 1);
    await pool.stop();
    const text = await aggregateRegistry(pool.metrics).metrics();
    expect(text).toContain('\ns3compact_runs_started_total 1\n');
    expect(text).toContain('\ns3compact_commits_total{outcome="committed"} 1\n');
  } finally {
    await world.close();
  }
});

describe('s3compact reap', () => {
  it('with a gateway that is away does its work and warns, without the password', async () => {
    const world = await E2eWorld.open('push-away');
    try {
      const url = `http://user:hunter2@127.0.0.1:${await freePort()}`;
      const env = { S3COMPACT_PUSHGATEWAY_URL: url, S3COMPACT_LOG_LEVEL: 'warn' };
      const { exitCode, stderr } = await world.command(['reap'], env);
      expect(exitCode).toBe(0);
      expect(stderr).toContain('"event":"metrics.not-pushed"');
      expect(stderr).toContain('ECONNREFUSED');
      expect(stderr).not.toContain('hunter2');
    } finally {
      await world.close();
    }
  });

  it.skipIf(!hasPrometheus())('leaves its counts in a real gateway, where Prometheus finds them', async () => {
    const gateway = await startPushgateway();
    const prometheus = await startPrometheus({ targets: { pushed: [gateway.url.replace('http://', '')] } });
    const world = await E2eWorld.open('push');
    try {
      await world.writer.createInode(1n);
      const { geometry } = world.writer.options;
      for (let n = 0; n < 30; n++) await world.writer.write(1n, n * 100, Math.min(200, geometry.blockSize));
      await world.compactFully(1n);
      const { stdout, exitCode } = await world.command(['reap', '--json'], {
        S3COMPACT_PUSHGATEWAY_URL: gateway.url,
        S3COMPACT_PUSH_INSTANCE: 'index-3',
      });
      expect(exitCode).toBe(0);
      const { deleted } = JSON.parse(stdout) as { deleted: number };
      expect(deleted).toBeGreaterThan(0);
      const series = 's3compact_objects_deleted_total{exported_job="s3compact",command="reap"}';
      await eventually('Prometheus has it', async () => (await prometheus.value(series)) === deleted, 20_000);
      const [sample] = await prometheus.query(series);
      expect(sample?.labels).toMatchObject({ exported_instance: 'index-3' });
      expect(await prometheus.value('s3compact_last_success_timestamp_seconds{task="reap"}')).toBeGreaterThan(1e9);
      expect(await prometheus.query('s3compact_build_info')).toHaveLength(1);
      // What only a living pod can tell would stand still there.
      expect(await prometheus.query('s3compact_quarantined_inodes')).toEqual([]);
    } finally {
      await world.close();
      await prometheus.stop();
      await gateway.stop();
    }
  });
});
