/** Every real file on the stand-in CurveFS cluster; each run waits for its second look, so it takes minutes. */
import { testCases } from './cases.ts';
import { CurveE2eWorld } from './curvefs-world.ts';

testCases(CurveE2eWorld.open, 'all');
