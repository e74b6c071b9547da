import { describeVolume } from './juicefs-compact.ts';

describeVolume(0, { whole: true });
describeVolume(1, { whole: true });
