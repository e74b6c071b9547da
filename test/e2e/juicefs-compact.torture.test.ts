import { describeVolume } from './juicefs-compact.ts';

describeVolume(1);
