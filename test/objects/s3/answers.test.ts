/**
 * One table of what answers mean, operation by operation, held against both ways that requests go: exactly what S3
 * promises is believed, and any other answer of a 2xx status says nothing (store-unavailable), neither that something was
 * done nor that something is not there. Answers of other statuses are in errors.test.ts.
 */
import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { CompactError } from '../../../src/errors.ts';
import type { ObjectStore } from '../../../src/objects/port.ts';
import { patternBytes } from '../contract.ts';
import { DATA_PATHS, useFaultBench } from '../fault-bench.ts';
import { type SeenRequest, sendError } from '../fault-server.ts';

interface Row {
  readonly what: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Uint8Array;
}

const HTML = '<html><body>please log in</body></html>';
const ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>x</Message></Error>';
const ETAG = { etag: '"0123"' };
const NONE = '<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">';
const LISTED = '<Contents><Key>a</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>1</Size></Contents>';
const EMPTY_LISTING = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
/** Whole only by the looks of them. */
const UNPROMISED_MISC = [
  ['a listing in a comment', `<!-- ${EMPTY_LISTING} -->`],
  [
    'a listing that ends in a comment',
    `<ListBucketResult><IsTruncated>false</IsTruncated><!-- </ListBucketResult> -->`,
  ],
  ['a listing with a comment that is cut behind it', `${EMPTY_LISTING}<!-- cut`],
  ['a listing with text behind a comment', `${EMPTY_LISTING}<!-- a -->b`],
  ['a comment that is cut, and a listing', `<!-- cut ${EMPTY_LISTING}`],
] as const;

/** Answers of a success that no operation promises, whatever was asked. */
const NOBODYS: readonly Row[] = [
  { what: '200 and nothing', status: 200 },
  { what: '200 and nothing of a length', status: 200, headers: { 'content-length': 0 } },
  { what: 'a page', status: 200, headers: { 'content-type': 'text/html' }, body: HTML },
  { what: 'an error document with 200', status: 200, body: ERROR },
  {
    what: 'an error document of a namespace prefix',
    status: 200,
    body: '<s:Error xmlns:s="x"><s:Code>A</s:Code></s:Error>',
  },
  { what: 'an empty document', status: 200, body: '<Other/>' },
  { what: '201', status: 201, headers: ETAG },
  { what: '202', status: 202 },
  { what: '202 with an ETag', status: 202, headers: ETAG },
  { what: '203 with an ETag', status: 203, headers: { ...ETAG, 'content-length': 0 } },
  { what: '206 and nothing', status: 206, headers: { ...ETAG, 'content-length': 0 } },
  { what: 'JSON', status: 200, body: '{"ok":true}' },
];

interface Operation {
  readonly name: string;
  readonly call: (store: ObjectStore) => Promise<unknown>;
  /** Answers that are believed, and the result. */
  readonly right: readonly (Row & { readonly result: unknown })[];
  /** Answers of its own that are not; and of NOBODYS what is refused in another way. */
  readonly wrong: readonly (Row & { readonly code?: string })[];
  readonly otherwise?: Readonly<Record<string, string>>;
  /** Answers what is not the request in question. */
  readonly before?: (request: SeenRequest, response: ServerResponse) => boolean;
}

const OPERATIONS: readonly Operation[] = [
  {
    name: 'a PUT',
    call: (store) => store.putIfAbsent('x', patternBytes(10)),
    right: [{ what: '200 with an ETag', status: 200, headers: ETAG, result: 'created' }],
    wrong: [
      { what: '204 without an ETag', status: 204 },
      { what: '204 with an ETag', status: 204, headers: ETAG },
      { what: '200 with an empty ETag', status: 200, headers: { etag: '' } },
      { what: 'an error document behind an ETag', status: 200, headers: ETAG, body: ERROR },
      { what: 'a page behind an ETag', status: 200, headers: ETAG, body: HTML },
    ],
  },
  {
    name: 'a HEAD',
    call: (store) => store.head('x'),
    right: [
      {
        what: '200 with ETag and length',
        status: 200,
        headers: { ...ETAG, 'content-length': 7 },
        result: { bytes: 7 },
      },
    ],
    wrong: [
      { what: '200 with a length alone', status: 200, headers: { 'content-length': 7 } },
      { what: '204 with an ETag', status: 204, headers: ETAG },
    ],
  },
  {
    name: 'a ranged GET',
    call: (store) => store.getRange('x', 0, new Uint8Array(10)),
    right: [
      {
        what: '206 with the range',
        status: 206,
        headers: { 'content-range': 'bytes 0-9/20' },
        body: patternBytes(10),
        result: undefined,
      },
      {
        what: '206 of an unknown total',
        status: 206,
        headers: { 'content-range': 'bytes 0-9/*' },
        body: patternBytes(10),
        result: undefined,
      },
      {
        what: '200 with all of the object',
        status: 200,
        headers: { ...ETAG, 'content-length': 10 },
        body: patternBytes(10),
        result: undefined,
      },
    ],
    wrong: [
      {
        what: '200 of the right length without an ETag',
        status: 200,
        headers: { 'content-length': 10 },
        body: patternBytes(10),
      },
      {
        what: '201 with all of the object',
        status: 201,
        headers: { ...ETAG, 'content-length': 10 },
        body: patternBytes(10),
      },
      { what: '204', status: 204, headers: ETAG },
      {
        what: 'the range with 200',
        status: 200,
        headers: { ...ETAG, 'content-range': 'bytes 0-9/20', 'content-length': 10 },
        body: patternBytes(10),
        code: 'store-refused',
      },
      {
        what: 'a range beyond its total',
        status: 206,
        headers: { 'content-range': 'bytes 0-9/5' },
        body: patternBytes(10),
        code: 'store-refused',
      },
      {
        what: 'a range that goes backwards',
        status: 206,
        headers: { 'content-range': 'bytes 0--1/5' },
        body: patternBytes(10),
        code: 'store-refused',
      },
      {
        what: 'the whole of a longer object',
        status: 200,
        headers: ETAG,
        body: patternBytes(20),
        code: 'store-refused',
      },
    ],
    otherwise: { '206 and nothing': 'store-refused' },
  },
  {
    name: 'a listing',
    call: (store) => store.list(),
    right: [
      { what: 'a listing of nothing', status: 200, body: EMPTY_LISTING, result: { objects: [], more: false } },
      {
        what: 'a listing',
        status: 200,
        body: `<?xml version="1.0"?>\n<ListBucketResult xmlns="x"><KeyCount>1</KeyCount><IsTruncated>true</IsTruncated>${LISTED}</ListBucketResult>\n`,
        result: { objects: [{ name: 'a', bytes: 1, modifiedMs: Date.UTC(2026, 0, 1) }], more: true },
      },
      {
        what: 'a listing with comments and processing instructions around it',
        status: 200,
        body: `<?xml version="1.0"?><!-- a > b --><?style a="<b>"?> <ListBucketResult><IsTruncated>false</IsTruncated>${LISTED}</ListBucketResult><!-- node 7 -->\n<?end?>\n`,
        result: { objects: [{ name: 'a', bytes: 1, modifiedMs: Date.UTC(2026, 0, 1) }], more: false },
      },
    ],
    wrong: [
      ...UNPROMISED_MISC.map(([what, body]) => ({ what, status: 200, body })),
      { what: '204', status: 204 },
      { what: 'a listing with 202', status: 202, body: EMPTY_LISTING },
      { what: 'half a listing', status: 200, body: `<ListBucketResult><IsTruncated>false</IsTruncated>${LISTED}` },
      {
        what: 'a listing of a namespace prefix',
        status: 200,
        body: '<s3:ListBucketResult xmlns:s3="x"><s3:IsTruncated>false</s3:IsTruncated></s3:ListBucketResult>',
      },
      { what: 'the listing of all buckets', status: 200, body: '<ListAllMyBucketsResult></ListAllMyBucketsResult>' },
      { what: 'a listing with a page behind', status: 200, body: `${EMPTY_LISTING}${HTML}` },
      { what: 'a listing in a page', status: 200, body: `<html>${EMPTY_LISTING}</html>` },
      {
        what: 'a listing that does not say whether it is whole',
        status: 200,
        body: '<ListBucketResult/>',
        code: 'store-refused',
      },
      {
        what: 'fewer objects than it counts',
        status: 200,
        body: `<ListBucketResult><KeyCount>2</KeyCount><IsTruncated>false</IsTruncated>${LISTED}</ListBucketResult>`,
        code: 'store-refused',
      },
      {
        what: 'nothing, and more',
        status: 200,
        body: '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>',
        code: 'store-refused',
      },
      {
        what: 'an object twice',
        status: 200,
        body: `<ListBucketResult><IsTruncated>false</IsTruncated>${LISTED}${LISTED}</ListBucketResult>`,
        code: 'store-refused',
      },
      {
        what: 'an object without a size',
        status: 200,
        body: `<ListBucketResult><IsTruncated>false</IsTruncated>${LISTED.replace(/<Size>.*<\/Size>/, '')}</ListBucketResult>`,
        code: 'store-refused',
      },
    ],
  },
  {
    name: 'a batch delete',
    call: (store) => store.delete(['a', 'b']),
    right: [
      {
        what: 'every name',
        status: 200,
        body: `${NONE}<Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key></Deleted></DeleteResult>`,
        result: [],
      },
      {
        what: 'an error',
        status: 200,
        body: `${NONE}<Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>`,
        result: [{ name: 'b', code: 'AccessDenied' }],
      },
      {
        what: 'an error beside a success of the same name, without a code',
        status: 200,
        body: `${NONE}<Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key></Deleted><Error><Key>a</Key></Error></DeleteResult>`,
        result: [{ name: 'a', code: 'Unknown' }],
      },
    ],
    wrong: [
      { what: '204', status: 204 },
      {
        what: 'names of a namespace prefix',
        status: 200,
        body: '<ns:DeleteResult xmlns:ns="x"><ns:Error><ns:Key>a</ns:Key><ns:Code>AccessDenied</ns:Code></ns:Error></ns:DeleteResult>',
      },
      { what: 'half a document', status: 200, body: `${NONE}<Deleted><Key>a</Key></Deleted>` },
      // The names are then deleted one by one, and this server knows no such deletes.
      { what: 'no name at all', status: 200, body: `${NONE}</DeleteResult>` },
      { what: 'one name of two', status: 200, body: `${NONE}<Deleted><Key>a</Key></Deleted></DeleteResult>` },
      {
        what: 'errors of a namespace prefix',
        status: 200,
        body: `${NONE}<ns:Error><ns:Key>a</ns:Key></ns:Error></DeleteResult>`,
      },
      { what: 'names in other letters', status: 200, body: `${NONE}<deleted><key>a</key></deleted></DeleteResult>` },
    ],
  },
  {
    name: 'a single delete',
    call: (store) => store.delete(['a']),
    right: [{ what: '204', status: 204, result: [] }],
    wrong: [{ what: '200 with an ETag', status: 200, headers: ETAG }],
    before: (request, response) => {
      if (request.method !== 'POST') return false;
      sendError(response, 501, 'NotImplemented');
      return true;
    },
  },
];

describe.each(DATA_PATHS)('by the %s way', (dataPath) => {
  const bench = useFaultBench({ dataPath });
  const answered = async ({ call, before }: Operation, { status, headers = {}, body }: Row): Promise<unknown> => {
    bench().server.answer((request, response) => {
      if (before?.(request, response) === true) return;
      response.writeHead(status, headers).end(body);
    });
    return call(bench().open()).catch((error: unknown) => {
      if (error instanceof CompactError) return error;
      throw error;
    });
  };

  describe.each(OPERATIONS)('$name', (operation) => {
    test.each(operation.right)('believes $what', async (row) => {
      expect(await answered(operation, row)).toEqual(row.result);
    });

    test.each([...NOBODYS, ...operation.wrong])(
      'does not believe $what',
      async (row: Row & { readonly code?: string }) => {
        const code = row.code ?? operation.otherwise?.[row.what] ?? 'store-unavailable';
        expect(await answered(operation, row)).toMatchObject({
          code,
          kind: code === 'store-unavailable' ? 'retry' : 'halt',
        });
      },
    );
  });
});
