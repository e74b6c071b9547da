/**
 * What the pages for operators speak of exists: settings, commands, log events, panels of the dashboard, files. A page
 * that sends somebody at night to something that is not there is worse than none.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROWS } from '../../deploy/grafana/dashboard.ts';
import { CONSOLE_TOKEN, SDK_NAMES, SETTINGS } from '../../src/config/index.ts';
import { COMMAND_NAMES } from '../../src/config/spec.ts';
import { LOG_EVENTS } from '../../src/observe/log.ts';
import { ALERTS } from './rules.ts';

const PAGES = [
  'docs/runbook.md',
  'docs/operations.md',
  'deploy/base/settings.env',
  'deploy/overlays/redis/kustomization.yaml',
  'deploy/overlays/curvefs/kustomization.yaml',
];
const ROOT = new URL('../../', import.meta.url);
/** Italics that are no panel. */
const NOT_PANELS = ['Targets', 'Limits'];

/** A copy that the reader makes, and words of kubectl. */
const NOT_FILES = ['deploy/overlays/mine', 'deploy/s3compact-worker'];

const panels = ROWS.flatMap((row) => row.panels.map(({ title }) => title));
const settings = new Set<string>([
  ...SETTINGS.map(({ env }) => env),
  ...SDK_NAMES.flatMap(([names]) => names.split(', ')),
  CONSOLE_TOKEN,
]);

describe.each(PAGES)('%s', (page) => {
  const text = readFileSync(new URL(page, ROOT), 'utf8');
  const words = (pattern: RegExp): string[] => [...new Set([...text.matchAll(pattern)].map(([, word = '']) => word))];

  it('speaks of settings that there are', () => {
    expect(
      words(/\b((?:S3COMPACT|AWS|METADATA|QUEUE)_[A-Z0-9_]+|REDIS_URL)\b/g).filter((name) => !settings.has(name)),
    ).toEqual([]);
  });

  it('speaks of commands that there are', () => {
    const commands = words(/\bs3compact ([a-z]{3,})\b(?=[^\n]*`)/g).filter(
      (word) => text.includes(`\`s3compact ${word}`) || text.includes(`-- s3compact ${word}`),
    );
    expect(commands.filter((name) => !(COMMAND_NAMES as readonly string[]).includes(name))).toEqual([]);
  });

  it('speaks of log events that there are', () => {
    const events = Object.values(LOG_EVENTS) as readonly string[];
    const named = words(
      /`((?:worker|queue|job|inode|chunk|lease|fence|reap|metrics?|command|pool|process|scan)\.[a-z-]+)`/g,
    );
    expect(named.filter((name) => !events.includes(name))).toEqual([]);
  });

  it('speaks of panels and alerts that there are', () => {
    const titles = words(/(?<![*\w])\*([A-Z][^*\n]+(?:\n[^*\n]+)?)\*(?!\*)/g).map((title) =>
      title.replace(/\s+/g, ' '),
    );
    expect(
      titles.filter((title) => !NOT_PANELS.includes(title) && !panels.some((panel) => panel.startsWith(title))),
    ).toEqual([]);
    const alerts = words(/\b(S3Compact[A-Z]\w+)\b/g);
    expect(alerts.filter((name) => !ALERTS.some(({ alert }) => alert === name))).toEqual([]);
  });

  it('links to files that there are', () => {
    const base = new URL(page, ROOT);
    const links = words(/\]\(([^)#:]+)(?:#[^)]*)?\)/g);
    expect(links.filter((link) => !existsSync(new URL(link, base)))).toEqual([]);
    const paths = words(/\b((?:deploy|docs|test|scripts)\/[\w./-]+\w)/g).filter((path) => !NOT_FILES.includes(path));
    expect(paths.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
  });
});
