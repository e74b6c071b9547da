/** Every form in which JuiceFS stores a block, by the real program. */
import { describe, inject } from 'vitest';
import { canMount, juicefsVersion } from '../kit/servers/juicefs.ts';
import { type CodedForm, provesCoded } from './juicefs-coded.ts';

const isReal = juicefsVersion() !== undefined && inject('s3').kind === 'radosgw';

const FORMS: readonly CodedForm[] = [
  { name: 'zstd', flags: ['--compress', 'zstd'], compressed: true },
  { name: 'lz4', flags: ['--compress', 'lz4'], compressed: true },
];

describe.runIf(isReal && canMount()).each(FORMS)('a volume with $name', (form) => {
  provesCoded(form);
});
