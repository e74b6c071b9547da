/**
 * docs/metrics.md from the table of metrics; a test compares the file with what this prints, so it cannot go stale.
 * `UPDATE_GOLDEN=1 npx vitest run test/observe/metric-table.test.ts` writes it anew.
 */
import { ERROR_CODES } from '../../src/errors.ts';
import { FILESYSTEMS_MAX, type LabelValues, METRIC_GROUPS, type MetricSpec } from '../../src/observe/metric-spec.ts';
import { METRICS } from '../../src/observe/metric-table.ts';

const INTRODUCTION = `# Metrics

This page is generated from the table in \`src/observe/\`; change it there.

\`s3compact worker --metrics-port 9400\` serves them at \`/metrics\`. Names carry their base unit (seconds, bytes), counters
end in \`_total\`, every series is there from the start with 0 (a gauge that is asked of somebody else is NaN until it was
reported once), and no label ever holds an inode, a bucket or an endpoint.

Scope **process**: every worker process counts for itself, and a pod with several processes tells the sum; add these up
over pods. Scope **pod**: reported once for each pod. Queues, reap records, quarantine, backlog and the limits of all workers are
one for the whole installation, so every pod tells the same: take the \`max\` over pods, never the sum.

What it costs is \`rate(s3compact_s3_requests_total[1h]) / rate(s3compact_gets_saved_total[1h])\`: requests for each GET that
one full read needs less. Bytes written for each byte reclaimed are no measure: merging appended pieces reclaims nothing by
design. Beside these there are prom-client's \`process_*\` and \`nodejs_*\`.
`;

/** The whole page. */
export function metricsMarkdown(): string {
  const groups = METRIC_GROUPS.map((group) => {
    const rows = METRICS.filter((spec) => spec.group === group);
    return `## ${group}\n\n| name | type | scope | labels | meaning |\n|---|---|---|---|---|\n${rows.map(row).join('\n')}\n`;
  });
  return [INTRODUCTION, ...groups].join('\n');
}

function row(spec: MetricSpec): string {
  const labels = Object.entries(spec.labels ?? {}).map(([name, values]) => `\`${name}\`: ${describeValues(values)}`);
  const buckets = spec.buckets === undefined ? '' : ` Buckets up to ${spec.buckets.at(-1)}.`;
  return `| \`${spec.name}\` | ${spec.type} | ${spec.scope} | ${labels.join('; ')} | ${spec.help}${buckets} |`;
}

function describeValues(values: LabelValues): string {
  if (values === 'filesystems') return `file system ids, at most ${FILESYSTEMS_MAX}, then \`other\``;
  if (values.length === 0) return 'one value';
  if (!ERROR_CODES.every((code) => values.includes(code))) return values.join(', ');
  // A page that lists them would change with every new code.
  const words = values.filter((value) => !(ERROR_CODES as readonly string[]).includes(value));
  return `${words.join(', ')} or an error code (\`src/errors.ts\`)`;
}
