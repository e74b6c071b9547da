/**
 * What `s3compact status` shows, as a function of what was asked: the same report gives the same text. It stands apart
 * so that golden files can say what an operator sees. It only puts the sections in order, what needs a person first; it
 * asks nothing.
 */
import { healthText } from './health.ts';
import { holdsText } from './holds.ts';
import { delayedText, failedText, inFlightText } from './jobs.ts';
import { problemsText } from './problems.ts';
import { queuesText } from './queues.ts';
import { quarantineText, reapText } from './safety.ts';
import { scansText } from './scans.ts';
import type { Section } from './section.ts';

/** A new section goes here. */
const SECTIONS: readonly Section[] = [
  problemsText,
  healthText,
  queuesText,
  inFlightText,
  failedText,
  delayedText,
  quarantineText,
  reapText,
  holdsText,
  scansText,
];

/** The whole page. */
export const statusText: Section = (report, style) =>
  SECTIONS.map((section) => section(report, style))
    .filter((text) => text !== '')
    .join('\n\n');
