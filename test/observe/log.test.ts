/**
 * The logger: ids exact as text, secrets out of every part of a line, levels, and event names that are unique.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logsMarkdown } from '../../scripts/pages/logs.ts';
import { CompactError } from '../../src/errors.ts';
import { createLogger, errorForLog, LOG_EVENTS, logContext } from '../../src/observe/log.ts';

function lines(
  level: 'info' | 'debug',
  use: (log: ReturnType<typeof createLogger>) => void,
): Record<string, unknown>[] {
  let text = '';
  use(createLogger({ level, destination: { write: (line) => (text += line) } }));
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const key = { fsId: 1, inodeId: 2n ** 64n - 1n };

describe('the logger', () => {
  it('writes ids beyond 2^53 as text, in a line and in bindings', () => {
    const [line, child] = lines('info', (log) => {
      log.info(
        { event: LOG_EVENTS.jobStarted, ...logContext({ key, attempt: 2n ** 63n, chunkIndex: 3, jobId: 'j' }) },
        'go',
      );
      log.child(logContext({ key })).info({ chunkId: 2n ** 61n }, 'bare bigints too');
    });
    expect(line).toMatchObject({
      level: 'info',
      event: 'job.started',
      msg: 'go',
      fsId: 1,
      inodeId: '18446744073709551615',
      attempt: '9223372036854775808',
      chunkIndex: 3,
      jobId: 'j',
    });
    expect(line?.['time']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(child).toMatchObject({
      inodeId: '18446744073709551615',
      chunkId: '2305843009213693952',
    });
  });

  it('hides secrets in messages, fields, errors and causes', () => {
    const error = new CompactError('redis://u:hunter2@h is gone', {
      kind: 'retry',
      code: 'metadata-unavailable',
      cause: new Error('AWS_SECRET_ACCESS_KEY=hunter2'),
    });
    const out = lines('info', (log) => {
      log.info('connecting to redis://u:hunter2@h');
      log.info({ password: 'hunter2', client: { secretAccessKey: 'hunter2', deep: { sessionToken: 'hunter2' } } }, 'x');
      log.error({ event: LOG_EVENTS.jobFailed, err: error }, 'failed');
      log.info({ url: 'redis://u:hunter2@h' }, 'to %s', 'redis://u:hunter2@h');
    });
    expect(JSON.stringify(out)).not.toContain('hunter2');
    expect(out[2]).toMatchObject({
      err: { kind: 'retry', code: 'metadata-unavailable', message: 'redis://***@h is gone' },
    });
    expect(out[3]).toMatchObject({ msg: 'to redis://***@h' });
  });

  it('writes JSON whatever is in a message (property)', () => {
    const parts = fc.constantFrom('redis://', 'password=', 'token: ', '@', '"', '\\', '\n', "'", 'é', 'a');
    fc.assert(
      fc.property(fc.array(fc.oneof(parts, fc.string()), { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        expect(lines('info', (log) => log.info({ field: text }, 'x'))).toHaveLength(1);
        expect(lines('info', (log) => log.info({}, text))).toHaveLength(1);
      }),
    );
  });

  it('keeps to its level and takes any thrown value', () => {
    expect(lines('info', (log) => log.debug('no'))).toEqual([]);
    expect(lines('debug', (log) => log.debug('yes'))).toHaveLength(1);
    expect(errorForLog('text')).toMatchObject({ type: 'Error', message: 'text' });
  });

  it('has a page that tells every event', () => {
    const page = fileURLToPath(new URL('../../docs/logs.md', import.meta.url));
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(page, logsMarkdown());
    expect(readFileSync(page, 'utf8')).toBe(logsMarkdown());
  });

  it('has no event that nobody writes', () => {
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const code = globSync('{src,workers}/**/*.ts', { cwd: root }).map((path) => readFileSync(join(root, path), 'utf8'));
    const written = new Set(code.flatMap((text) => [...text.matchAll(/LOG_EVENTS\.(\w+)/g)].map((match) => match[1])));
    expect(Object.keys(LOG_EVENTS).filter((name) => !written.has(name))).toEqual([]);
  });

  it('has each event name once', () => {
    const names = Object.values(LOG_EVENTS);
    expect(new Set(names).size).toBe(names.length);
  });
});
