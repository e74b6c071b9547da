/** Worker processes with the metadata in Redis. */
import { testWorkers } from './worker.ts';
import { E2eWorld } from './world.ts';

testWorkers(E2eWorld.open);
