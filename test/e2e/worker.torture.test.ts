/** Worker processes with the metadata in Redis, killed and stopped in the middle of their work. */
import { testKills, testStop, workersIn } from './worker.ts';
import { E2eWorld } from './world.ts';

workersIn(E2eWorld.open);
testKills();
testStop();
