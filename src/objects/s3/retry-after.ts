/**
 * The header `Retry-After`: seconds, or a date, which is judged by the server's own `Date` and not by this machine's clock.
 * It stands alone because two kinds of errors carry it (the SDK's and the fast path's). What cannot be read says nothing;
 * whether the wait is kept, and for how long at most, is decided elsewhere.
 */
const SECONDS = /^\d{1,9}$/;

/** The wait in ms that an error's answer asks for; `undefined` where it asks for none. */
export function retryAfterOf(thrown: unknown): number | undefined {
  const response = thrown as { readonly $response?: { readonly headers?: Readonly<Record<string, unknown>> } };
  const headers = response?.$response?.headers;
  return headers === undefined ? undefined : retryAfterMs(headers['retry-after'], headers['date']);
}

/** Values of the headers `Retry-After` and `Date`. */
export function retryAfterMs(value: unknown, date: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (SECONDS.test(text)) return Number(text) * 1000;
  const untilMs = Date.parse(text);
  const nowMs = typeof date === 'string' ? Date.parse(date) : Number.NaN;
  const ms = untilMs - nowMs;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}
