/**
 * A run as a trace: one span for the run, a child for each phase, and below these one for each S3 request. It stands
 * apart so that only this file knows the tracing API; without a tracer nobody calls it. It starts no SDK and sends nothing.
 */
import { type Attributes, context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';

/** Spans of S3 requests in one run at most (I8); the run's span tells the rest as a number. */
const REQUEST_SPANS_MAX = 1_000;

export interface RequestEvent {
  readonly operation: string;
  readonly outcome: string;
  readonly ms: number;
  readonly bytes: number;
  readonly isFailure: boolean;
}

export class RunSpans {
  readonly #tracer: Tracer;
  readonly #run: Span;
  /** One clock for all spans of a run, or a child might seem to end after its parent. */
  readonly #startMs = Date.now() - performance.now();
  #phase: Span | undefined;
  #requests = 0;

  constructor(tracer: Tracer, attributes: Attributes) {
    this.#tracer = tracer;
    this.#run = tracer.startSpan('run', { kind: SpanKind.CONSUMER, attributes, startTime: this.#nowMs() });
    this.phase('plan');
  }

  phase(name: string, chunkIndex?: number): void {
    const startTime = this.#nowMs();
    this.#phase?.end(startTime);
    const attributes = chunkIndex === undefined ? {} : { 's3compact.chunk_index': chunkIndex };
    this.#phase = this.#tracer.startSpan(name, { attributes, startTime }, trace.setSpan(context.active(), this.#run));
  }

  /** A try that has just ended. */
  request({ operation, outcome, ms, bytes, isFailure }: RequestEvent): void {
    this.#requests++;
    if (this.#requests > REQUEST_SPANS_MAX) return;
    const endMs = this.#nowMs();
    const span = this.#tracer.startSpan(
      `s3 ${operation}`,
      {
        kind: SpanKind.CLIENT,
        startTime: endMs - ms,
        attributes: { 's3compact.outcome': outcome, 's3compact.bytes': bytes },
      },
      trace.setSpan(context.active(), this.#phase ?? this.#run),
    );
    if (isFailure) span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
    span.end(endMs);
  }

  /** `failure`: why it did not end well. */
  end(attributes: Attributes, failure?: string): void {
    const endMs = this.#nowMs();
    this.#phase?.end(endMs);
    this.#run.setAttributes({ ...attributes, 's3compact.s3_requests': this.#requests });
    if (failure !== undefined) this.#run.setStatus({ code: SpanStatusCode.ERROR, message: failure });
    this.#run.end(endMs);
  }

  #nowMs(): number {
    return this.#startMs + performance.now();
  }
}

/** A look at a reap record, as a trace of its own: it comes long after the run, which it names by the attempt. */
export function lookSpan(tracer: Tracer, startMs: number, look: { attributes: Attributes; doubt?: string }): void {
  const span = tracer.startSpan('reap', { kind: SpanKind.CONSUMER, startTime: startMs, attributes: look.attributes });
  if (look.doubt !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: look.doubt });
  span.end();
}
