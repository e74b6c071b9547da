/**
 * Worker processes on the stand-in CurveFS cluster. A test lasts minutes: nothing is deleted earlier than lease, deadline
 * and a minute after it became unreferenced, by two looks.
 */
import { CurveE2eWorld } from './curvefs-world.ts';
import { testKills, testLife, testStop, workersIn } from './worker.ts';

workersIn(CurveE2eWorld.open, { S3COMPACT_QUIET_PERIOD: '3s' });
testLife();
testKills();
testStop();
