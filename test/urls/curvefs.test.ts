/**
 * The URL of a CurveFS cluster: which addresses it names, and that whatever is wrong is told without the text.
 */
import { describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/index.ts';
import { CompactError } from '../../src/errors.ts';
import { parseCurvefsUrl } from '../../src/urls/curvefs.ts';

describe('a CurveFS URL', () => {
  it('names the addresses of the MDS, in their order', () => {
    expect(parseCurvefsUrl('curvefs://mds1:6700,mds-2.example:6701, 10.0.0.3:6702')).toEqual([
      { host: 'mds1', port: 6700 },
      { host: 'mds-2.example', port: 6701 },
      { host: '10.0.0.3', port: 6702 },
    ]);
    expect(parseCurvefsUrl('curvefs://[fd00::1]:6700/')).toEqual([{ host: 'fd00::1', port: 6700 }]);
  });

  it.each([
    'curvefs://',
    'curvefs://mds1',
    'curvefs://mds1:0',
    'curvefs://mds1:65536',
    'curvefs://mds1:6700,',
    'curvefs://mds1:6700/1',
    'curvefs://user:hunter2@mds1:6700',
    'redis://mds1:6700',
    `curvefs://${Array.from({ length: 65 }, () => 'mds1:6700').join(',')}`,
  ])('%s is refused', (text) => {
    const parse = () => parseCurvefsUrl(text);
    expect(parse).toThrow(CompactError);
    expect(parse).not.toThrow(/hunter2/);
  });

  it('is taken by METADATA_URL beside those of Redis, and by no other setting', () => {
    const url = 'curvefs://mds1:6700,mds2:6700';
    expect(loadSettings({ env: { METADATA_URL: url } })).toMatchObject({ metadataUrl: url, quietPeriodMs: 60_000 });
    expect(() => loadSettings({ env: { REDIS_URL: url } })).toThrow(/is none of redis:/);
    expect(() => loadSettings({ env: { METADATA_URL: 'curvefs://mds1' } })).toThrow(/METADATA_URL .*host:port/);
  });
});
