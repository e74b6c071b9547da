/**
 * The servers, a line each: how they are, and what they said last. What is known of them comes from `src/view/health.ts`.
 * It asks nothing.
 */

import type { ServerHealth } from '../../view/status-report.ts';
import { duration } from '../../view/words.ts';
import { type Column, table } from '../table.ts';
import type { Section } from './section.ts';

const COLUMNS: readonly Column[] = [
  { head: 'server', align: 'left' },
  { head: 'state', align: 'left' },
  { head: 'last error', align: 'left', wrap: true },
];

export const healthText: Section = ({ health }, style) => {
  const rows = health.servers.map((server) => {
    const state = stateOf(server);
    const brush = server.state === 'failing' ? style.red : (text: string) => text;
    const ago = server.failedAgoMs === undefined ? '' : `${duration(server.failedAgoMs)} ago: `;
    return [server.name, brush(state), server.error === undefined ? '' : `${ago}${server.error}`];
  });
  const none = health.servers.length > 2 ? '' : '\n no worker has reported a bucket within the last minute';
  return table(COLUMNS, rows, style) + none;
};

function stateOf({ state, failingForMs, workers }: ServerHealth): string {
  if (state !== 'failing') return state === 'ok' ? 'ok' : 'not asked';
  const some = workers === undefined ? '' : ` (${workers.failing} of ${workers.all})`;
  return `FAILING for ${duration(failingForMs ?? 0)}${some}`;
}
