/**
 * All deliberate faults in one order; a fault's number is its place here, from 1. New ones go to the end of their file
 * in faults/. What they have in common and how they are applied is elsewhere.
 */
import type { Fault } from './fault.ts';
import { ATTEMPT_FAULTS } from './faults/attempt.ts';
import { BUCKET_FAULTS } from './faults/bucket.ts';
import { CODEC_FAULTS } from './faults/codec.ts';
import { CONSOLE_FAULTS } from './faults/console.ts';
import { METADATA_FAULTS } from './faults/metadata.ts';
import { OUTSIDE_FAULTS } from './faults/outside.ts';
import { PLAN_FAULTS } from './faults/plan.ts';
import { QUEUE_FAULTS } from './faults/queue.ts';
import { REAP_FAULTS } from './faults/reap.ts';
import { SLICE_FAULTS } from './faults/slices.ts';
import { STORE_FAULTS } from './faults/stores.ts';
import { TIME_BOUND_FAULTS } from './faults/time-bound.ts';

export const FAULTS: readonly Fault[] = [
  ...METADATA_FAULTS,
  ...ATTEMPT_FAULTS,
  ...REAP_FAULTS,
  ...PLAN_FAULTS,
  ...OUTSIDE_FAULTS,
  ...TIME_BOUND_FAULTS,
  ...BUCKET_FAULTS,
  ...STORE_FAULTS,
  ...QUEUE_FAULTS,
  ...CONSOLE_FAULTS,
  ...SLICE_FAULTS,
  ...CODEC_FAULTS,
];
