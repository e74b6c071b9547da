/** A compressed volume of the real program, compacted. All forms: juicefs-coded.torture.test.ts. */
import { describe, inject } from 'vitest';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { provesCoded } from './juicefs-coded.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';

describe.runIf(isReal && canMount())('a volume with lz4', () => {
  provesCoded({ name: 'lz4', flags: ['--compress', 'lz4', '--block-size', '1M'], compressed: true });
});
