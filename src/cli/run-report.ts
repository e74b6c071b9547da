/**
 * The end of a run for people: one headline, what was saved, what it cost, what is left. It stands apart from the
 * command because more than one command runs inodes. It only words what the report says; programs read --json.
 */
import { printInodeKey } from '../format.ts';
import { type LayoutName, layoutOf } from '../urls/juicefs.ts';
import { bytes, plural, restingText } from '../view/words.ts';
import type { RunReport } from '../wiring/run-inode.ts';
import type { CliContext } from './context.ts';
import { gainText } from './plan.ts';

/** Who deletes what was replaced. */
const OLD_OBJECTS: Readonly<Record<LayoutName, string>> = {
  blocks: ' the old objects are deleted after the grace period, by a worker or by "s3compact reap"',
  slices:
    ' what was replaced is deleted by the clients\' hourly jobs after the days of the trash; without a trash after the grace period, by a worker or by "s3compact reap"',
};

/** Several lines for a terminal; exact numbers are in --json. */
export function reportText(report: RunReport, context: CliContext): string {
  const { bold } = context.colors;
  const lines = [bold(`inode ${printInodeKey(report)}: ${headline(report)}`)];
  if (report.message !== undefined) lines.push(` ${report.message}`);
  if (report.chunksCompacted > 0 && report.gain !== undefined && report.cost !== undefined) {
    const { cost } = report;
    const reads = `read ${bytes(cost.readBytes)} in ${plural(cost.readRequests, 'GET')}`;
    const writes = `wrote ${bytes(cost.writeBytes)} in ${plural(cost.writeRequests, 'PUT')}`;
    lines.push('', gainText(report.gain, context), '', ` ${reads}, ${writes}, in ${seconds(report.durationMs)}`);
    lines.push(OLD_OBJECTS[layoutOf(context.settings.metadataUrl)]);
  }
  if (report.chunksLeft > 0) {
    const where = report.continued ? 'queued as a continuation' : 'left for a later run';
    lines.push(` ${plural(report.chunksLeft, 'chunk')} ${where}`);
  }
  if (report.resting !== undefined) lines.push(` ${restingText(report.resting)}`);
  for (const warning of report.warnings) lines.push(` warning: ${warning}`);
  return lines.join('\n');
}

function headline(report: RunReport): string {
  if (report.ending === 'done') {
    if (report.outcome === 'compacted') return `${plural(report.chunksCompacted, 'chunk')} compacted`;
    if (report.outcome === 'over-budget') return 'over budget, nothing was changed';
    return report.resting === undefined ? 'nothing to do' : 'nothing to do yet';
  }
  const texts = {
    later: 'not done this time; the same run may succeed later',
    gone: 'the file was removed meanwhile',
    quarantined: 'in quarantine; it needs a person',
    halted: 'halted; it needs a person',
  };
  return texts[report.ending];
}

function seconds(ms: number | undefined): string {
  return `${((ms ?? 0) / 1000).toFixed(1)} s`;
}
