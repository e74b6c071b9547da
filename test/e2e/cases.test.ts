/** The small real files with the metadata in Redis; `cases.torture.test.ts` takes every one. */
import { testCases } from './cases.ts';
import { E2eWorld } from './world.ts';

testCases(E2eWorld.open, 'small');
