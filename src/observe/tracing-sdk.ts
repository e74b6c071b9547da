/**
 * The OpenTelemetry SDK with an OTLP/HTTP exporter. It is loaded only where traces are wanted, so that nothing of it costs
 * anything elsewhere. Where to and with which headers is read by the exporter from the standard OTEL_* names. Spans wait in
 * a bounded queue; what does not fit is dropped, and no work waits for it.
 */
import type { Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';

export interface Tracing {
  readonly tracer: Tracer;
  /** Sends what waits; ends within the exporter's time-out. */
  close(): Promise<void>;
}

interface TracingOptions {
  /** Of all runs, 0 to 1. */
  readonly ratio: number;
}

export function startTracing({ ratio }: TracingOptions): Tracing {
  const named = resourceFromAttributes({ 'service.name': 's3compact' });
  const provider = new TracerProvider({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
    resource: defaultResource()
      .merge(named)
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  return { tracer: provider.getTracer('s3compact'), close: () => provider.shutdown() };
}
