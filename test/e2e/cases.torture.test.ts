/** Every real file with the metadata in Redis. */
import { testCases } from './cases.ts';
import { E2eWorld } from './world.ts';

testCases(E2eWorld.open, 'all');
