/**
 * What the phases of a soak share: its options, the world they work in, waiting with a bound, and telling. It stands apart
 * so that each phase is a file that can be read alone. It decides nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Pace, Place } from './settings.ts';
import { FS_ID } from './shapes.ts';
import type { SoakStore } from './store.ts';
import type { Victims } from './victims.ts';
import type { QueueWatch } from './watch.ts';

export interface SoakOptions {
  readonly inodes: number;
  readonly processes: number;
  /** Mean time between two kills; 0: none. */
  readonly killEveryMs: number;
  readonly seed: number;
  readonly place: Place;
  readonly pace: Pace;
  /** How long the working and the reaping may take. */
  readonly finishMs: number;
  readonly say: (line: string) => void;
}

export interface SoakReport {
  readonly faults: readonly string[];
  /** Name → figure, in the order in which they are told. */
  readonly figures: ReadonlyMap<string, string>;
  readonly counts: Victims['counts'];
}

export const LOOK_EVERY_MS = 100;
export const PROGRESS_EVERY_MS = 10_000;
export const DRAIN_MS = 30_000;
export const SCAN = ['scan', `${FS_ID}`, '--json'];

export interface World {
  readonly options: SoakOptions;
  readonly redis: Redis;
  readonly store: SoakStore;
  readonly victims: Victims;
  readonly watch: QueueWatch;
  readonly figures: Map<string, string>;
  readonly faults: string[];
  readonly startedMs: number;
}

export function say({ options, startedMs }: World, text: string): void {
  options.say(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(5)}s  ${text}`);
}

/** Jobs of a queue that are not done. */
export async function pending({ redis, options }: World, queue: 'compact' | 'reap'): Promise<number> {
  const base = `${options.place.queuePrefix}:${queue}:`;
  const batch = redis.pipeline();
  for (const state of ['wait', 'paused', 'active']) batch.llen(base + state);
  for (const state of ['prioritized', 'delayed']) batch.zcard(base + state);
  return ((await batch.exec()) ?? []).reduce((sum, [, count]) => sum + Number(count), 0);
}

export async function until(world: World, what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + world.options.finishMs;
  const told = every(PROGRESS_EVERY_MS);
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${world.options.finishMs / 1000} s: ${what}`);
    if (told())
      say(
        world,
        `waiting until ${what}: ${await pending(world, 'compact')} jobs, ${await pending(world, 'reap')} reap records`,
      );
    await delay(LOOK_EVERY_MS);
  }
}

export async function pause(ms: number, over: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: over }).catch(() => undefined);
}

/** True at most once in so many milliseconds. */
export function every(ms: number): () => boolean {
  let lastMs = performance.now();
  return () => {
    const due = performance.now() - lastMs >= ms;
    if (due) lastMs = performance.now();
    return due;
  };
}

export const since = (startMs: number): number => (performance.now() - startMs) / 1000;
export const n = (value: number): string => Math.round(value).toLocaleString('en');
export const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
