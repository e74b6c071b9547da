/**
 * Whether traces are wanted, by the standard OTEL_* names of the environment. The SDK is loaded only then. It decides
 * nothing else, and a fault in it must not stop a worker.
 */
import type { Tracing } from '../observe/tracing-sdk.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** `undefined` where no endpoint is set, or tracing is switched off. */
export async function openTracing(env: Environment = process.env): Promise<Tracing | undefined> {
  if (!isWanted(env)) return undefined;
  const { startTracing } = await import('../observe/tracing-sdk.ts');
  return startTracing({ ratio: ratioOf(env) });
}

function isWanted(env: Environment): boolean {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none') return false;
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  return endpoint !== undefined && endpoint !== '';
}

/** The share of runs that are traced, by OTEL_TRACES_SAMPLER and its argument; what cannot be read is all of them. */
function ratioOf(env: Environment): number {
  const sampler = env['OTEL_TRACES_SAMPLER'] ?? '';
  if (sampler.endsWith('always_off')) return 0;
  if (!sampler.endsWith('traceidratio')) return 1;
  const ratio = Number(env['OTEL_TRACES_SAMPLER_ARG'] || '1');
  return ratio >= 0 && ratio <= 1 ? ratio : 1;
}
