/**
 * The shape of the table of metrics: rows in sections that have a group and a scope in common. It stands alone so
 * that the tables hold nothing but rows. It must not know prom-client: rows are data, for the registry and for the docs.
 */

/**
 * Who has a series. `process`: every process counts for itself, and a pod's processes are added up. `pod`: reported once for
 * each pod, by its parent process; most are asked of Redis when a scrape comes, so every pod tells the same.
 */
export type MetricScope = 'process' | 'pod';

/** How the values of one pod's processes become one. */
type Aggregate = 'sum' | 'max' | 'first';

/** The values a label may take. `filesystems`: ids of file systems, bounded by FILESYSTEMS_MAX. */
export type LabelValues = readonly string[] | 'filesystems';

/** File systems that have series of their own; the others are added up as `other`. */
export const FILESYSTEMS_MAX = 50;
/** The value of a label for what is not in its list. */
export const OTHER = 'other';

/** A row. `_total` at the end of its name makes a counter, buckets make a histogram; all others are gauges. */
interface MetricRow {
  /** One sentence, for people. */
  readonly help: string;
  readonly labels?: Readonly<Record<string, LabelValues>>;
  /** The combinations of label values that can occur, in the order of `labels`; absent: all of them. */
  readonly series?: readonly (readonly string[])[];
  /** Upper bounds of a histogram, in the unit of its name. */
  readonly buckets?: readonly number[];
  /** Absent: that of the section. */
  readonly aggregate?: Aggregate;
}

interface Common {
  readonly scope: MetricScope;
  /** Where the docs list it. */
  readonly group: MetricGroup;
  /** Absent: `sum`. */
  readonly aggregate?: Aggregate;
}

/** Rows by their names, which have the base unit last, and `_total` behind it for a counter. */
export interface MetricSection extends Common {
  readonly rows: Readonly<Record<`s3compact_${string}`, MetricRow>>;
}

export interface MetricSpec extends Common, MetricRow {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
}

export const METRIC_GROUPS = [
  'Runs',
  'Work done',
  'Safety',
  'S3 requests',
  'Metadata requests',
  'Limits',
  'Queues',
  'Reap',
  'Scan and backlog',
  'Process and pool',
] as const;
type MetricGroup = (typeof METRIC_GROUPS)[number];
