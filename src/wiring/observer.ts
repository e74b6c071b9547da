/**
 * Everything that a process reports about its work comes together here: runs, S3 requests, calls of the metadata service,
 * looks at reap records. It counts them, gathers what belongs to a run for the log line of the attempt, and knows
 * whether the servers answered lately. One for each process. It decides nothing, and never throws into the work.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Tracer } from '@opentelemetry/api';
import type { ChunkDone, RunPhase } from '../compact/types.ts';
import { redactText } from '../config/index.ts';
import type { CompactError } from '../errors.ts';
import type { ObjectOperation, RequestObserver, RequestOutcome } from '../objects/retrying-store.ts';
import { LOG_EVENTS, type Logger } from '../observe/log.ts';
import type { REAP_VERDICTS } from '../observe/metric-values.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { NotReady } from '../observe/readiness.ts';
import { lookSpan, RunSpans } from '../observe/run-spans.ts';
import { movedBytes, NO_COST, requestsOf } from '../plan/index.ts';
import type { JobWait } from '../queue/status.ts';
import type { ReapVerdict } from '../reap/reap-record.ts';
import type { RunReport } from './run-inode.ts';
import { type ChunkEvent, isAnswer, type RunFields, RunRecord } from './run-record.ts';
import { idsWaitText } from './run-waits.ts';
import { Reachable, type SeenAges, ServerSeen } from './server-health.ts';
import { isRefusal, type RefusalKind, type Refusing, StoreRefusals } from './store-refusals.ts';

export interface ObserverOptions {
  readonly log: Logger;
  /** Absent: nothing is counted. */
  readonly metrics?: Metrics;
  /** Absent: no traces. */
  readonly tracer?: Tracer;
  /** The budget of a run, to tell which part of it was spent furthest. */
  readonly limits: { readonly bytesMax: number; readonly requestsMax: number };
}

/** Buckets that are reported, at most. */
const BUCKETS_MAX = 100;

/** What is known of a run before it starts; goes into every line about it. */
type RunPlace = Readonly<Record<string, string | number>>;

/** Of jobs that were given back together, those that a log line names. */
const IDS_LOGGED_MAX = 20;

export class Observer implements RequestObserver {
  readonly metrics: Metrics | undefined;
  readonly store: Reachable;
  readonly metadata: Reachable;
  /** The limits for which somebody in this process waits. */
  limitsWaitedFor: () => readonly string[] = () => [];
  readonly #metadataSeen = new ServerSeen();
  readonly #stores = new Map<string, ServerSeen>();
  readonly #refusals = new StoreRefusals();
  #refuses = false;
  readonly #log: Logger;
  readonly #limits: ObserverOptions['limits'];
  readonly #tracer: Tracer | undefined;
  readonly #records = new Set<RunRecord>();
  readonly #runs = new AsyncLocalStorage<{ readonly record: RunRecord; readonly inode: string }>();

  constructor(options: ObserverOptions) {
    this.metrics = options.metrics;
    this.#log = options.log;
    this.#limits = options.limits;
    this.#tracer = options.tracer;
    this.store = this.#server('store', 'S3', [LOG_EVENTS.storeLost, LOG_EVENTS.storeBack]);
    const events = [LOG_EVENTS.metadataLost, LOG_EVENTS.metadataBack] as const;
    this.metadata = this.#server('metadata', 'the metadata service', events);
  }

  #server(code: NotReady['code'], name: string, [lost, back]: readonly [string, string]): Reachable {
    const away = { code, what: `${name} does not answer` };
    return new Reachable(away, {
      lost: (err) => this.#log.warn({ event: lost, err }, `${away.what}; jobs wait`),
      back: (awayMs) => this.#log.info({ event: back, awayMs }, `${name} answers again`),
    });
  }

  /** The run on whose behalf the caller works, if any. */
  get run(): RunRecord | undefined {
    return this.#runs.getStore()?.record;
  }

  /** What one of the runs in this process waits for; `null`: all of them work. */
  waits(): JobWait | null {
    for (const { waits } of this.#records) {
      const now = waits.now(this.limitsWaitedFor());
      if (now !== null) return now;
    }
    return null;
  }

  /** Servers that do not answer, or refuse everybody; `kinds`: refusals of these requests only. */
  async notReady(kinds?: readonly RefusalKind[]): Promise<NotReady[]> {
    const [store, metadata] = await Promise.all([this.store.checked(), this.metadata.checked()]);
    const said = this.#refusals.message(kinds);
    const refused = said === undefined ? undefined : ({ code: 'refused', what: `S3 refuses: ${said}` } as const);
    return [store, metadata, refused].filter((one) => one !== undefined);
  }

  /** What was seen of the servers last. */
  seen(): { readonly metadata: SeenAges; readonly stores: (SeenAges & { readonly bucket: string })[] } {
    const stores = [...this.#stores].map(([bucket, seen]) => ({ bucket, ...seen.ages() }));
    return { metadata: this.#metadataSeen.ages(), stores };
  }

  /** Whether S3 refuses what it is asked, whatever the inode. */
  get refusing(): Refusing {
    return this.#refusals.state();
  }

  /** Carries a run out and counts it; `work` gets the record to hand to `runInode`. */
  async watchRun(
    place: RunPlace,
    work: (record: RunRecord) => Promise<RunReport>,
    signal?: AbortSignal,
  ): Promise<{ readonly report: RunReport; readonly fields: RunFields }> {
    const { metrics } = this;
    const spans = this.#tracer && new RunSpans(this.#tracer, place);
    const record = new RunRecord({
      phase: (phase, chunkIndex) => spans?.phase(phase, chunkIndex),
      request: (event) => spans?.request(event),
      chunk: (plan, ending) => this.#chunk(place, plan, ending),
      failed: (error, chunkIndex) => this.#chunkFailed({ ...place, chunkIndex }, error),
      idsWait: (ms) =>
        this.#log.info({ event: LOG_EVENTS.idsWaiting, ...place, ms }, `the run waits ${idsWaitText(ms)}`),
    });
    this.#records.add(record);
    const startedMs = performance.now();
    metrics?.count('s3compact_runs_started_total', 1);
    metrics?.add('s3compact_runs_in_flight', 1);
    try {
      const report = await this.#runs.run({ record, inode: `${place['fsId']}/${place['inodeId']}` }, () =>
        work(record),
      );
      const fields = record.end();
      this.#ended(report, fields, { seconds: (performance.now() - startedMs) / 1000, signal });
      spans?.end(...spanEnd(report));
      return { report, fields };
    } catch (error) {
      const how = signal?.aborted ? { result: 'later', reason: 'cancelled' } : { result: 'halted', reason: 'other' };
      metrics?.count('s3compact_runs_completed_total', 1, how);
      spans?.end({}, 'a fault in s3compact');
      throw error;
    } finally {
      this.#records.delete(record);
      metrics?.add('s3compact_runs_in_flight', -1);
    }
  }

  forBucket(bucket: string): RequestObserver {
    const seen = this.#stores.get(bucket) ?? new ServerSeen();
    if (this.#stores.size < BUCKETS_MAX) this.#stores.set(bucket, seen);
    return {
      request: (op, outcome, ms, bytes) => {
        if (isAnswer(outcome) || outcome === 'object-missing') seen.answered();
        this.request(op, outcome, ms, bytes);
      },
      failed: (op, error) => {
        if (error.code === 'store-unavailable' || isRefusal(error.code)) {
          seen.failed(error.message);
          this.run?.waits.refused(error.message);
        }
        this.failed(op, error);
      },
      asked: () => this.run?.waits.began('limit'),
      withdrawn: () => this.run?.waits.ended('limit'),
      started: () => this.started(),
      retried: (op) => this.retried(op),
    };
  }

  request(op: ObjectOperation, outcome: RequestOutcome, ms: number, bytes: number): void {
    const { metrics } = this;
    metrics?.add('s3compact_s3_requests_in_flight', -1);
    metrics?.count('s3compact_s3_requests_total', 1, { operation: op, code: outcome });
    metrics?.observe('s3compact_s3_request_duration_seconds', ms / 1000, { operation: op });
    if (bytes > 0) metrics?.count('s3compact_s3_bytes_total', bytes, { operation: op });
    if (outcome !== 'store-unavailable' && outcome !== 'cancelled') this.store.answered();
    this.run?.waits.ended('s3');
    if (isAnswer(outcome) || outcome === 'object-missing') {
      this.#served(op);
      this.run?.waits.served();
    }
    this.run?.request({ operation: op, outcome, ms, bytes });
  }

  failed(op: ObjectOperation, error: CompactError): void {
    if (error.code === 'store-unavailable') this.store.failed(error);
    const run = this.#runs.getStore();
    if (run === undefined) return;
    this.#refusals.refused(op, error, { run: run.record, inode: run.inode });
    if (this.#refuses || this.#refusals.state() === 'none') return;
    this.#refuses = true;
    this.#log.warn({ event: LOG_EVENTS.storeRefuses, err: error }, 'S3 refuses what it is asked; jobs wait');
  }

  #served(op: ObjectOperation): void {
    this.#refusals.served(op);
    if (!this.#refuses || this.#refusals.state() !== 'none') return;
    this.#refuses = false;
    this.#log.info({ event: LOG_EVENTS.storeServes }, 'S3 serves again what it had refused');
  }

  started(): void {
    this.run?.waits.ended('limit');
    this.run?.waits.began('s3');
    this.metrics?.add('s3compact_s3_requests_in_flight', 1);
  }

  retried(op: ObjectOperation): void {
    this.metrics?.count('s3compact_s3_retries_total', 1, { operation: op });
    this.run?.retried();
  }

  /** Work had to wait for a limit. */
  waited(limit: string, ms: number): void {
    this.metrics?.count('s3compact_limit_waits_total', 1, { limit });
    this.metrics?.count('s3compact_limit_wait_seconds_total', ms / 1000, { limit });
    this.run?.waited(limit, ms);
  }

  metadataFailed(error: CompactError): void {
    this.metadata.failed(error);
    this.#metadataSeen.failed(error.message);
  }

  metadataCall(operation: string, code: string, ms: number): void {
    this.metrics?.count('s3compact_metadata_requests_total', 1, { operation, code });
    this.metrics?.observe('s3compact_metadata_request_duration_seconds', ms / 1000, { operation });
    if (code !== 'metadata-unavailable') {
      this.metadata.answered();
      this.#metadataSeen.answered();
    }
    this.run?.metadataCall();
  }

  commitAnswerLost(cause: Error): void {
    this.metadata.failed(cause);
    this.metrics?.count('s3compact_commit_answers_lost_total', 1);
  }

  /** A look at a reap record; `null`: the record could not be read. `look` is for the trace. */
  reapLook(verdict: ReapVerdict | null, look: { readonly place: RunPlace; readonly startMs: number }): void {
    const { metrics } = this;
    if (this.#tracer !== undefined) lookSpan(this.#tracer, look.startMs, lookEvent(verdict, look.place));
    metrics?.count('s3compact_reap_looks_total', 1, { verdict: verdictWord(verdict) });
    metrics?.count('s3compact_objects_deleted_total', verdict?.deleted ?? 0);
    if (verdict?.kind !== 'done') return;
    metrics?.count('s3compact_objects_still_referenced_total', verdict.stillReferenced);
    this.succeeded('reap');
  }

  /** Jobs that no list of their queue named, or that were active and nobody's, are back in the queue. */
  jobsGivenBack(queue: string, jobIds: readonly string[]): void {
    this.metrics?.count('s3compact_jobs_given_back_total', jobIds.length, { queue });
    this.#log.warn(
      { event: LOG_EVENTS.jobGivenBack, queue, jobs: jobIds.length, jobIds: jobIds.slice(0, IDS_LOGGED_MAX) },
      `${jobIds.length} lost jobs of the ${queue} queue are back in it`,
    );
  }

  succeeded(task: 'run' | 'reap' | 'scan'): void {
    this.metrics?.set('s3compact_last_success_timestamp_seconds', Date.now() / 1000, { task });
  }

  #chunk(place: RunPlace, plan: ChunkDone, ending: ChunkEvent): void {
    const { metrics } = this;
    metrics?.count('s3compact_commits_total', 1, { outcome: ending.outcome });
    const where = { ...place, chunkIndex: plan.chunkIndex };
    if (ending.outcome === 'committed') {
      metrics?.observe('s3compact_chunk_versions', plan.gain.versionsBefore);
      this.#log.debug({ event: LOG_EVENTS.chunkCommitted, ...where, gain: plan.gain }, 'chunk committed');
    } else if (ending.outcome === 'conflict') {
      this.#log.debug({ event: LOG_EVENTS.chunkConflict, ...where }, 'the list changed meanwhile; tried again later');
    } else if (ending.outcome === 'unknown') {
      const text = 'the fate of a commit is not known; nothing is deleted until its reap record has found out';
      this.#log.warn({ event: LOG_EVENTS.chunkUnknown, ...where }, text);
    } else if (ending.reason === 'fence') {
      metrics?.count('s3compact_fences_lost_total', 1);
      this.#log.warn({ event: LOG_EVENTS.fenceLost, ...where }, 'another attempt, or its reap record, took the fence');
    }
  }

  #chunkFailed(where: RunPlace, error: CompactError): void {
    if (error.code === 'lease-expired') {
      this.metrics?.count('s3compact_leases_expired_total', 1);
      this.#log.warn({ event: LOG_EVENTS.leaseExpired, ...where }, 'the attempt outlived its lease and was given up');
    }
  }

  #ended(report: RunReport, fields: RunFields, how: { seconds: number; signal: AbortSignal | undefined }): void {
    const { metrics } = this;
    const result = report.ending;
    metrics?.count('s3compact_runs_completed_total', 1, { result, reason: report.code ?? report.outcome ?? 'other' });
    metrics?.observe('s3compact_run_duration_seconds', how.seconds, { result });
    for (const [phase, ms] of Object.entries(fields.phasesMs) as [RunPhase, number][])
      metrics?.count('s3compact_run_phase_seconds_total', ms / 1000, { phase });
    if (report.code === 'cancelled') {
      metrics?.count('s3compact_runs_cancelled_total', 1, { reason: String(how.signal?.reason ?? 'other') });
    }
    if (result === 'done') this.succeeded('run');
    if (report.continued) metrics?.count('s3compact_continuations_total', 1);
    metrics?.count('s3compact_chunks_compacted_total', report.chunksCompacted);
    metrics?.count('s3compact_chunks_left_total', report.chunksLeft);
    metrics?.count('s3compact_run_warnings_total', report.warnings.length);
    for (const part of fields.budgetSpent)
      metrics?.count('s3compact_run_budget_exhausted_total', 1, { budget: this.#budgetOf(part, report) });
    this.#effect(report);
  }

  /** Blocks are left when bytes or requests are spent: the one that was spent furthest. */
  #budgetOf(part: string, { cost = NO_COST }: RunReport): string {
    if (part !== 'blocks') return part;
    const { bytesMax, requestsMax } = this.#limits;
    return movedBytes(cost) / bytesMax >= requestsOf(cost) / requestsMax ? 'bytes' : 'requests';
  }

  #effect({ cost, gain }: RunReport): void {
    const { metrics } = this;
    if (cost !== undefined) {
      metrics?.count('s3compact_bytes_read_total', cost.readBytes);
      metrics?.count('s3compact_bytes_written_total', cost.writeBytes);
      metrics?.count('s3compact_objects_written_total', cost.writeRequests);
    }
    if (gain === undefined) return;
    metrics?.count('s3compact_versions_before_total', gain.versionsBefore);
    metrics?.count('s3compact_versions_after_total', gain.versionsAfter);
    metrics?.count('s3compact_gets_saved_total', gain.getsBefore - gain.getsAfter);
    metrics?.count('s3compact_bytes_reclaimed_total', gain.storedBytesBefore - gain.storedBytesAfter);
  }
}

/** What the span of a run says at its end, and why it did not end well. */
function spanEnd({
  ending,
  outcome,
  attempt,
  code,
  chunksCompacted,
  cost,
  message,
}: RunReport): Parameters<RunSpans['end']> {
  const attributes = {
    's3compact.ending': ending,
    's3compact.chunks_compacted': chunksCompacted,
    's3compact.outcome': outcome,
    's3compact.attempt': attempt,
    's3compact.code': code,
    's3compact.bytes_read': cost?.readBytes,
    's3compact.bytes_written': cost?.writeBytes,
  };
  const failed = ending === 'quarantined' || ending === 'halted' || code !== undefined;
  return failed ? [attributes, redactText(message ?? ending)] : [attributes];
}

function verdictWord(verdict: ReapVerdict | null): (typeof REAP_VERDICTS)[number] {
  if (verdict === null) return 'unreadable';
  if (verdict.kind === 'again' && verdict.held !== undefined) return 'held';
  if (verdict.kind === 'done' || verdict.doubt === undefined) return verdict.kind;
  return verdict.unsafe === true ? 'unsafe' : 'doubt';
}

function lookEvent(verdict: ReapVerdict | null, place: RunPlace): Parameters<typeof lookSpan>[2] {
  if (verdict === null) return { attributes: { ...place }, doubt: 'the record cannot be read' };
  if (verdict.kind === 'done') return { attributes: { ...place, 's3compact.objects_deleted': verdict.deleted } };
  return { attributes: { ...place }, ...(verdict.doubt === undefined ? {} : { doubt: redactText(verdict.doubt) }) };
}
