import { describeVolume } from './juicefs-compact.ts';

describeVolume(0, { whole: false });
