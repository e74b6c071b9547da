/**
 * Parts of pages that are kept fresh by server-sent events: each new sample is rendered and sent to those who look. It keeps
 * nothing for a browser that cannot keep up, and a part that cannot be rendered is a fault of ours, reported and left out:
 * the next sample is sent all the same. It asks no server.
 */
import type { Context, Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Visited } from './door.ts';
import { fileNow } from './one-file.ts';
import { overview } from './overview.ts';
import { type Html, keyOf } from './page.ts';
import type { Sample, Sampler } from './sampler.ts';

/** Pages that are kept fresh at a time; one more has to come back. */
const LIVE_MAX = 200;

export interface LiveParts {
  readonly sampler: Sampler;
  /** Where the long history is. */
  readonly prometheus?: string;
  readonly onFault: (error: unknown) => void;
}

export function addLive(app: Hono<Visited>, parts: LiveParts): void {
  const rendered = new WeakMap<Sample, Promise<string>>();
  /** The same for all who look: rendered once. */
  const overviewOf = (sample: Sample) => {
    const text = rendered.get(sample) ?? textOf(overview(sample, parts.prometheus));
    rendered.set(sample, text);
    return text;
  };
  app.get('/live/overview', (c) => stream(c, parts, overviewOf));
  app.get('/live/files/:fs/:inode', (c) => {
    const key = keyOf(c);
    return key === null ? c.notFound() : stream(c, parts, (sample) => textOf(fileNow(key, sample)));
  });
}

function stream(c: Context<Visited>, { sampler, onFault }: LiveParts, textFor: (sample: Sample) => Promise<string>) {
  if (sampler.watchers >= LIVE_MAX) return c.text('too many pages are open', 503, { 'Retry-After': '60' });
  return streamSSE(c, async (events) => {
    const ended = Promise.withResolvers<void>();
    let last = '';
    let writing = false;
    const send = async (sample: Sample) => {
      const data = JSON.stringify(await textFor(sample));
      if (data === last) await events.write(': nothing new\n\n');
      else await events.writeSSE({ data });
      last = data;
    };
    const stop = sampler.watch((sample) => {
      if (c.get('visitor')?.isIn() === false) return ended.resolve();
      // One that cannot keep up misses samples.
      if (writing) return;
      writing = true;
      send(sample)
        .catch(onFault)
        .finally(() => {
          writing = false;
        });
    });
    events.onAbort(() => ended.resolve());
    await events.write(': here\n\n');
    await ended.promise;
    stop();
  });
}

async function textOf(part: Html): Promise<string> {
  return String(await part);
}
