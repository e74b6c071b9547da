/**
 * A real Prometheus scrapes a live pool of worker processes that compacts real inodes: what it then knows is what the
 * reports of the runs say, and what is in the bucket; a process that dies takes no count with it.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunReport } from '../../src/wiring/run-inode.ts';
import { loadCase } from '../kit/cases/load.ts';
import { freePort } from '../kit/servers/free-port.ts';
import { hasPrometheus, type PrometheusService, promtool, startPrometheus } from '../kit/servers/prometheus.ts';
import { eventually } from '../queue/world.ts';
import { E2eWorld } from './world.ts';

const PROCESSES = 2;
const INODES = [1n, 2n, 3n, 4n];
const CASES = ['tar-append', 'tar-append.mid', 'zip-grow.mid', 'ffmpeg-faststart'];

describe.skipIf(!hasPrometheus())('a real Prometheus', () => {
  let world: E2eWorld;
  let prometheus: PrometheusService;
  let port: number;
  let workerPid: number;
  let reports: RunReport[];
  let objectsAtFirst: number;

  beforeAll(async () => {
    port = await freePort();
    const env = {
      S3COMPACT_PROCESSES: String(PROCESSES),
      S3COMPACT_METRICS_PORT: `${port}`,
      S3COMPACT_FRAGMENT_THRESHOLD: '3',
    };
    world = await E2eWorld.open('prometheus', { env });
    prometheus = await startPrometheus({ targets: { s3compact: [`127.0.0.1:${port}`] } });
    for (const [n, inodeId] of INODES.entries()) {
      await world.writer.createInode(inodeId);
      await world.writer.append(inodeId, loadCase(CASES[n] ?? ''));
    }
    objectsAtFirst = (await world.writer.bucketNames()).length;
    const worker = world.startWorker();
    workerPid = worker.pid ?? 0;
    for (const inodeId of INODES) await world.clients.queue.enqueue({ fsId: 1, inodeId }, 'scan');
    await eventually('all is done and reaped', quiet);
    const jobs = await world.clients.queue.queue.getCompleted();
    reports = jobs.map((job) => job.returnvalue as RunReport);
    await scraped();
  });
  afterAll(async () => {
    await prometheus?.stop();
    await world?.close();
  });

  async function quiet(): Promise<boolean> {
    const states = ['waiting', 'prioritized', 'active', 'delayed', 'failed'] as const;
    const compact = await world.clients.queue.queue.getJobCountByTypes(...states);
    return compact + (await world.clients.ledger.queue.getJobCountByTypes(...states)) === 0;
  }

  /** Until Prometheus has scraped what is there now. */
  async function scraped(): Promise<void> {
    const sinceS = Date.now() / 1000;
    // A scrape's time stamp is that of its beginning.
    await eventually('Prometheus has scraped', () => query(`timestamp(s3compact_worker_processes) > ${sinceS}`));
  }

  async function query(expression: string): Promise<boolean> {
    return (await prometheus.query(expression)).length > 0;
  }

  function total(of: (report: RunReport) => number): number {
    return reports.reduce((sum, report) => sum + of(report), 0);
  }

  it('finds what the reports of the runs say', async () => {
    expect(reports.length).toBeGreaterThanOrEqual(INODES.length);
    expect(await prometheus.value('up{job="s3compact"}')).toBe(1);
    const compacted = reports.filter(({ outcome }) => outcome === 'compacted').length;
    const expected: Record<string, number> = {
      's3compact_runs_completed_total{result="done",reason="compacted"}': compacted,
      'sum(s3compact_runs_completed_total)': reports.length,
      s3compact_runs_started_total: reports.length,
      s3compact_runs_in_flight: 0,
      s3compact_chunks_compacted_total: total(({ chunksCompacted }) => chunksCompacted),
      s3compact_bytes_read_total: total(({ cost }) => cost?.readBytes ?? 0),
      s3compact_bytes_written_total: total(({ cost }) => cost?.writeBytes ?? 0),
      s3compact_objects_written_total: total(({ cost }) => cost?.writeRequests ?? 0),
      s3compact_versions_before_total: total(({ gain }) => gain?.versionsBefore ?? 0),
      s3compact_versions_after_total: total(({ gain }) => gain?.versionsAfter ?? 0),
      s3compact_gets_saved_total: total(({ gain }) => (gain?.getsBefore ?? 0) - (gain?.getsAfter ?? 0)),
      's3compact_commits_total{outcome="committed"}': total(({ chunksCompacted }) => chunksCompacted),
    };
    for (const [expression, value] of Object.entries(expected))
      expect(await prometheus.value(expression), expression).toBe(value);
    // Each process may also read, claim and read again whose the bucket is.
    const withOwner: Record<string, number> = {
      's3compact_s3_requests_total{operation="put",code="ok"}': total(({ cost }) => cost?.writeRequests ?? 0),
      's3compact_s3_requests_total{operation="get",code="ok"}': total(({ cost }) => cost?.readRequests ?? 0),
      's3compact_s3_request_duration_seconds_count{operation="put"}': total(({ cost }) => cost?.writeRequests ?? 0),
    };
    for (const [expression, value] of Object.entries(withOwner)) {
      const seen = await prometheus.value(expression);
      expect(seen, expression).toBeGreaterThanOrEqual(value);
      expect(seen, expression).toBeLessThanOrEqual(value + 2 * PROCESSES);
    }
    expect(expected['s3compact_bytes_written_total']).toBeGreaterThan(0);
  });

  it('finds what is in the bucket, the queues and the pool', async () => {
    const objectsNow = (await world.writer.bucketNames()).length;
    const written = await prometheus.value('s3compact_objects_written_total');
    expect(await prometheus.value('s3compact_objects_deleted_total')).toBe(objectsAtFirst + written - objectsNow);
    for (const inodeId of INODES) expect(await world.writer.readFault(inodeId)).toBeNull();
    for (const none of [
      'sum(s3compact_queue_jobs)',
      's3compact_reap_records{state="pending"}',
      's3compact_quarantined_inodes',
      's3compact_metric_source_errors_total{source="queues"}',
      's3compact_memory_reserved_bytes',
      's3compact_s3_requests_in_flight',
      's3compact_queue_paused',
    ])
      expect(await prometheus.value(none), none).toBe(0);
    expect(await prometheus.value('s3compact_worker_processes')).toBe(2);
    expect(await prometheus.value('s3compact_worker_processes_wanted')).toBe(2);
    expect(await prometheus.value('min(s3compact_ready)')).toBe(1);
    expect(Math.abs(await prometheus.value('s3compact_clock_skew_seconds'))).toBeLessThan(1);
    expect(await prometheus.value('time() - s3compact_last_success_timestamp_seconds{task="run"}')).toBeLessThan(60);
    // Of all processes: the main one and two others.
    expect(await prometheus.value('process_resident_memory_bytes')).toBeGreaterThan(150 * 2 ** 20);
  });

  it('sees no count fall when a process dies, and the restart', async () => {
    const before = await prometheus.value('sum(s3compact_runs_completed_total)');
    const file = `/proc/${workerPid}/task/${workerPid}/children`;
    const [victim] = readFileSync(file, 'utf8').split(' ').map(Number);
    process.kill(victim ?? 0, 'SIGKILL');
    await eventually('it is counted and replaced', () =>
      query('s3compact_worker_restarts_total{reason="crash"} == 1 and on() s3compact_worker_processes == 2'),
    );
    expect(await prometheus.value('sum(s3compact_runs_completed_total)')).toBe(before);
    expect(await prometheus.value('sum(resets(s3compact_runs_completed_total[1m]))')).toBe(0);
  });

  it('and promtool has no complaint about what a live pool tells', async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(text).toContain('\ns3compact_runs_started_total ');
    expect(promtool(['check', 'metrics'], text)).toBe('');
  });
});
