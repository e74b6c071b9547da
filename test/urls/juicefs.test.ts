/** The forms in which JuiceFS itself takes the address of a volume, behind `juicefs+`. */
import { describe, expect, it } from 'vitest';
import { layoutOf, parseJuicefsUrl, withMetaPassword } from '../../src/urls/juicefs.ts';

const forms = {
  'juicefs+redis://localhost': { form: 'single', nodes: [{ host: 'localhost', port: 6379 }], tls: false, db: 0 },
  'juicefs+rediss://me:p%40ss@cache:6380/3': {
    form: 'single',
    nodes: [{ host: 'cache', port: 6380 }],
    tls: true,
    db: 3,
    username: 'me',
    password: 'p@ss',
  },
  'juicefs+redis://:secret@a:7000,b:7001/2?route-read=replica': {
    form: 'cluster',
    nodes: [
      { host: 'a', port: 7000 },
      { host: 'b', port: 7001 },
    ],
    tls: false,
    db: 2,
    password: 'secret',
  },
  'juicefs+redis://mymaster,10.0.0.1,10.0.0.2:5000/1': {
    form: 'sentinel',
    nodes: [
      { host: '10.0.0.1', port: 5000 },
      { host: '10.0.0.2', port: 5000 },
    ],
    tls: false,
    db: 1,
    masterName: 'mymaster',
  },
  'juicefs+redis://mymaster,10.0.0.1/?read-timeout=5s&sentinelPassword=x': {
    form: 'sentinel',
    nodes: [{ host: '10.0.0.1', port: 26_379 }],
    tls: false,
    db: 0,
    masterName: 'mymaster',
    sentinelPassword: 'x',
  },
};

describe('a JuiceFS URL', () => {
  for (const [url, target] of Object.entries(forms)) {
    it(`${url} is understood`, () => {
      expect(parseJuicefsUrl(url)).toEqual(target);
    });
  }

  const refused = {
    'juicefs+mysql://root:hunter2@(localhost:3306)/jfs': 'other metadata engines than Redis are not supported',
    'juicefs+redis://host/1/2': 'is none of',
    'juicefs+redis://,host:1/1': 'names no master',
    'juicefs+rediss://me:hunter2@host/1?tls-ca-cert-file=/ca.pem': 'NODE_EXTRA_CA_CERTS',
    'juicefs+redis://me:hunter2@host/1?password=hunter2': 'question mark',
  };
  for (const [url, words] of Object.entries(refused)) {
    it(`${url.replaceAll('hunter2', '…')} is refused without its secrets`, () => {
      expect(() => parseJuicefsUrl(url)).toThrow(words);
      expect(() => parseJuicefsUrl(url)).toThrow(/^(?!.*hunter2)/s);
    });
  }

  it('without a password takes the one of META_PASSWORD, as JuiceFS does', () => {
    const filled = (url: string) => withMetaPassword(url, 'p@ss/1');
    const password = 'p@ss/1';
    expect(parseJuicefsUrl(filled('juicefs+redis://cache:6380/3'))).toMatchObject({ db: 3, password });
    expect(parseJuicefsUrl(filled('juicefs+redis://cache:6380/3'))).not.toHaveProperty('username');
    for (const user of ['me@', 'me:@'])
      expect(parseJuicefsUrl(filled(`juicefs+redis://${user}master,a,b:1/2?read-timeout=5s`))).toEqual({
        ...parseJuicefsUrl('juicefs+redis://master,a,b:1/2'),
        username: 'me',
        password,
      });
    const given = 'juicefs+redis://me:own@cache/3';
    expect([filled(given), withMetaPassword('juicefs+redis://me@cache', '')]).toEqual([
      given,
      'juicefs+redis://me@cache',
    ]);
  });

  it('is of the slice layout, and no other is', () => {
    expect(layoutOf('juicefs+redis://host')).toBe('slices');
    for (const url of ['redis://host', 'curvefs://mds:6700', 'redis+cluster://a,b'])
      expect(layoutOf(url)).toBe('blocks');
  });
});
