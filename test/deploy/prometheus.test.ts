/**
 * The rules and the dashboard on a real Prometheus that scrapes a live worker: every rule evaluates without an error, no
 * alert stirs while all is well, every panel's expression is answered, and an inode in quarantine wakes its alert, in
 * words that make sense.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROWS } from '../../deploy/grafana/dashboard.ts';
import { E2eWorld } from '../e2e/world.ts';
import { loadCase } from '../kit/cases/load.ts';
import { freePort } from '../kit/servers/free-port.ts';
import { hasPrometheus, type PrometheusService, startPrometheus } from '../kit/servers/prometheus.ts';
import { eventually } from '../queue/world.ts';
import { ALERTS, RECORDS, RULES_FILE } from './rules.ts';

interface LiveRule {
  readonly type: 'alerting' | 'recording';
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly state?: string;
  readonly alerts?: readonly { readonly state: string; readonly annotations: Readonly<Record<string, string>> }[];
}

const GOOD = 1n;
const BROKEN = 2n;
const DEADLINE_MS = 600_000;
const ANSWERED_SHARE = 0.8;

describe.skipIf(!hasPrometheus())('on a real Prometheus', () => {
  let world: E2eWorld;
  let prometheus: PrometheusService;

  beforeAll(async () => {
    const port = await freePort();
    const env = { S3COMPACT_METRICS_PORT: `${port}`, S3COMPACT_FRAGMENT_THRESHOLD: '3' };
    world = await E2eWorld.open('rules', { env });
    prometheus = await startPrometheus({ targets: { s3compact: [`127.0.0.1:${port}`] }, ruleFiles: [RULES_FILE] });
    await world.writer.createInode(GOOD);
    await world.writer.append(GOOD, loadCase('zip-grow.mid'));
    world.startWorker();
    await world.clients.queue.enqueue({ fsId: 1, inodeId: GOOD }, 'scan');
    const completed = () => prometheus.value('sum(s3compact_runs_completed_total)');
    await eventually('the run is counted', async () => (await completed()) === 1, DEADLINE_MS);
  });
  afterAll(async () => {
    await prometheus?.stop();
    await world?.close();
  });

  async function rules(): Promise<readonly LiveRule[]> {
    const { groups } = (await prometheus.api('rules')) as {
      readonly groups: readonly { rules: readonly LiveRule[] }[];
    };
    return groups.flatMap((group) => group.rules);
  }

  it('every rule evaluates', async () => {
    const evaluated = async () => (await rules()).every(({ health }) => health !== 'unknown');
    await eventually('every rule has been evaluated', evaluated, DEADLINE_MS);
    const all = await rules();
    expect(all.map(({ name }) => name).toSorted()).toEqual(
      [...ALERTS.map(({ alert }) => alert), ...RECORDS].toSorted(),
    );
    expect(all.filter(({ health, lastError = '' }) => health !== 'ok' || lastError !== '')).toEqual([]);
  });

  it('no alert stirs while all is well', async () => {
    // Before the first scrape nothing was there, which S3CompactAbsent noticed.
    const stirred = async () => (await rules()).filter(({ state = 'inactive' }) => state !== 'inactive');
    await eventually('every alert is quiet', async () => (await stirred()).length === 0, DEADLINE_MS);
  });

  it('every panel is asked without an error, and those have an answer that always should', async () => {
    const queries = ROWS.flatMap(({ panels }) => panels).flatMap(({ queries: all }) => all);
    const answered = async (): Promise<number> => {
      let count = 0;
      for (const { expr } of queries) {
        const filled = expr.replaceAll('@', 'namespace=~".*"').replaceAll('$__rate_interval', '5m');
        if ((await prometheus.query(filled)).length > 0) count++;
      }
      return count;
    };
    // Rates need two scrapes. Backlogs and scans are empty here, and failures are drawn only where there are some.
    await eventually('rates are there', async () => (await answered()) >= queries.length * ANSWERED_SHARE, DEADLINE_MS);
  });

  it('an inode in quarantine wakes its alert, in words that make sense', async () => {
    await world.writer.createInode(BROKEN, { length: 100 });
    const { redis } = world.writer.options;
    await redis.rpush(`${world.writer.inodeKey(BROKEN)}:0`, '1,0,90000,100,100,0');
    await redis.sadd(`${world.writer.inodeKey(BROKEN)}:chunks`, 0);
    await world.clients.queue.enqueue({ fsId: 1, inodeId: BROKEN }, 'scan');
    const quarantined = async () => (await rules()).find(({ name }) => name === 'S3CompactQuarantined')?.alerts ?? [];
    await eventually('the alert is there', async () => (await quarantined()).length === 1, DEADLINE_MS);
    const [alert] = await quarantined();
    expect(alert?.state).toBe('pending');
    expect(alert?.annotations['summary']).toBe('1 inodes are in quarantine.');
  });
});
