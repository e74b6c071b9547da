/** The default settings but for the budget of a run: a case is one run. */
import type { CompactLimits } from '../../src/compact/compact-inode.ts';
import { loadSettings } from '../../src/config/index.ts';

const settings = loadSettings({ env: {} });

export const MEMORY_BYTES = settings.memoryBytes;

export const LIMITS: CompactLimits = {
  policy: { fragmentThreshold: settings.fragmentThreshold, readGapBytes: settings.readGapBytes },
  chunksMax: 1_000,
  bytesMax: Number.MAX_SAFE_INTEGER,
  requestsMax: Number.MAX_SAFE_INTEGER,
  durationMaxMs: 3_600_000,
  leaseMs: 3_600_000,
  graceMs: settings.graceMs,
  commitTimeoutMs: 10_000,
  blocksInFlight: settings.blocksInFlight,
  getsInFlight: settings.getsInFlight,
};
