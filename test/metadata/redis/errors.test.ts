/**
 * What error replies and other failures mean, one by one: those that no server can be made to give at will, the forms of
 * older servers, and that no error carries a password or the arguments of a command.
 */
import { inspect } from 'node:util';
import { ReplyError } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { callFailed, definiteNo, notSent } from '../../../src/metadata/redis/errors.ts';
import { replyCode, safeError } from '../../../src/redis/link.ts';

const reply = (message: string): Error => new ReplyError(message);

describe('the code of a reply', () => {
  test.each([
    ["READONLY You can't write against a read only replica.", 'READONLY'],
    ["OOM command not allowed when used memory > 'maxmemory'. script: 8c1f, on @user_script:12.", 'OOM'],
    // Redis 6.2, where a script hands on the error of a write.
    ["@user_script: 14: -READONLY You can't write against a read only replica.", 'READONLY'],
    ['@user_script:14: MISCONF Redis is configured to save RDB snapshots', 'MISCONF'],
    ['ERR Error running script (call to f_8c1f): @user_script:9: WRONGTYPE Operation', 'ERR'],
    ['LOADING', 'LOADING'],
    ['something went wrong', null],
    ['', null],
  ])('%s', (message, code) => {
    expect(replyCode(reply(message))).toBe(code);
  });

  test('only replies have one, whatever the words of other errors', () => {
    expect(replyCode(new Error('READONLY is what the server said'))).toBeNull();
    expect(replyCode('READONLY')).toBeNull();
    expect(replyCode(undefined)).toBeNull();
  });
});

describe('what a failure means', () => {
  test.each(['READONLY', 'NOPERM', 'NOAUTH', 'WRONGPASS', 'MOVED'])('%s: a person must act', (code) => {
    const failure = definiteNo(reply(`${code} and so on`), 'fs:{7:42}');
    expect(failure).toMatchObject({ kind: 'halt', code: 'metadata-refused' });
    expect(failure?.message).toContain(code);
    expect(failure?.message).toContain('fs:{7:42}');
    expect(failure?.message).toContain('nothing was changed');
  });

  test.each([
    ['fs:{7:42}', 'inode-malformed'],
    ['fs:{7:42}:3', 'inode-malformed'],
    ['fs:{7}', 'filesystem-malformed'],
  ])('WRONGTYPE at %s: damage there, and nowhere else', (redisKey, code) => {
    const failure = definiteNo(reply('WRONGTYPE Operation against a key'), redisKey);
    expect(failure).toMatchObject({ kind: 'halt', code });
    expect(failure?.message).toContain(redisKey);
  });

  test.each([
    'LOADING',
    'BUSY',
    'OOM',
    'CLUSTERDOWN',
    'TRYAGAIN',
    'ASK',
    'MASTERDOWN',
    'MISCONF',
    'NOREPLICAS',
    'NOSCRIPT',
  ])('%s: it did not happen, and may later', (code) => {
    const failure = definiteNo(reply(`${code} and so on`), 'fs:{7:42}');
    expect(failure).toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
    expect(failure?.message).toContain('nothing was changed');
  });

  test.each([
    reply('ERR something'),
    reply('NEWCODE of a newer server'),
    reply('no code at all'),
    new Error('Command timed out'),
    new Error('READONLY'),
    'thrown text',
    undefined,
  ])('nothing is certain after %s', (error) => {
    expect(definiteNo(error, 'k')).toBeNull();
  });

  test('for calls that may be made again, what is no reply is a matter of time', () => {
    expect(callFailed(new Error('Command timed out'), 'k')).toMatchObject({
      kind: 'retry',
      code: 'metadata-unavailable',
    });
    expect(callFailed(reply('ERR unknown command'), 'k')).toMatchObject({ kind: 'halt', code: 'metadata-refused' });
    expect(callFailed(reply('no code'), 'k')).toMatchObject({ kind: 'halt', code: 'metadata-refused' });
    expect(callFailed(reply('OOM'), 'k')).toMatchObject({ kind: 'retry', code: 'metadata-unavailable' });
  });

  test('a client without a connection changed nothing', () => {
    expect(notSent({ refused: false, message: 'was not ready' })).toMatchObject({ code: 'metadata-unavailable' });
    expect(notSent({ refused: true, message: 'refused the credentials' })).toMatchObject({ code: 'metadata-refused' });
  });
});

describe('an error carries no secret', () => {
  test('neither the arguments of its command, nor those that the server repeats', () => {
    const error = Object.assign(
      reply("ERR unknown command 'auth', with args beginning with: 'tell-nobody' 'tell-nobody-else'"),
      { command: { name: 'auth', args: ['tell-nobody'] } },
    );
    const safe = safeError(error);
    expect(inspect(safe, { depth: 10, showHidden: true })).not.toContain('tell-nobody');
    expect(safe.message).toBe("ERR unknown command 'auth'");
    const failure = callFailed(error, 'k');
    expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain('tell-nobody');
  });

  test('but its name, code and place', () => {
    const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const safe = safeError(error);
    expect(safe).toMatchObject({ name: 'Error', message: 'connect ECONNREFUSED', code: 'ECONNREFUSED' });
    expect(safe.stack).toContain('errors.test.ts');
    expect(safeError('text').message).toBe('text');
  });
});
