/** Worker processes with the metadata in Redis. Killed and stopped ones: worker.torture.test.ts. */
import { testLife, workersIn } from './worker.ts';
import { E2eWorld } from './world.ts';

workersIn(E2eWorld.open);
testLife();
