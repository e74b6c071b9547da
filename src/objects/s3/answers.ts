/**
 * What S3 promises as the answer of each operation, in one table, for both ways that requests go. An answer of a 2xx
 * status that is anything else (a login page, an error document with 200, half a listing) says nothing about the objects, so it
 * is `store-unavailable`, never a success (I4) and never an absence (I10). Ranges are checked in range-body.ts.
 */
/** Operations whose whole answer is looked at here. */
export type CheckedOperation =
  | 'put'
  | 'head'
  | 'list'
  | 'delete'
  | 'delete-batch'
  | 'versioning'
  | 'object-lock'
  | 'lifecycle';

/** A 2xx answer; names of headers in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

interface Promised {
  readonly status: number;
  /** Headers that must be there and not empty. */
  readonly headers: readonly string[];
  /** The root element of the body; absent: there is no body. */
  readonly root?: string;
}

const PROMISED: Readonly<Record<CheckedOperation, Promised>> = {
  put: { status: 200, headers: ['etag'] },
  head: { status: 200, headers: ['etag', 'content-length'] },
  list: { status: 200, headers: [], root: 'ListBucketResult' },
  delete: { status: 204, headers: [] },
  'delete-batch': { status: 200, headers: [], root: 'DeleteResult' },
  versioning: { status: 200, headers: [], root: 'VersioningConfiguration' },
  'object-lock': { status: 200, headers: [], root: 'ObjectLockConfiguration' },
  lifecycle: { status: 200, headers: [], root: 'LifecycleConfiguration' },
};

/** Longer than any answer with a thousand names of a thousand bytes. */
export const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** The name that errors of unpromised answers have, as the SDK's have the server's code. */
export const UNPROMISED = 'UnpromisedAnswer';

/** An answer with a status of success that is not the answer of its operation. */
export class UnpromisedAnswer extends Error {
  readonly $metadata: { readonly httpStatusCode: number };

  constructor(status: number, what: string) {
    super(what);
    this.name = UNPROMISED;
    this.$metadata = { httpStatusCode: status };
  }
}

/** Throws UnpromisedAnswer unless a 2xx answer is what S3 promises for this operation. */
export function checkPromised(operation: CheckedOperation, answer: Answer): void {
  const what = unpromised(PROMISED[operation], answer);
  if (what !== undefined) throw new UnpromisedAnswer(answer.status, what);
}

function unpromised({ status, headers, root }: Promised, answer: Answer): string | undefined {
  if (answer.status !== status) return `${status} is what S3 promises`;
  const missing = headers.find((name) => (answer.headers[name] ?? '') === '');
  if (missing !== undefined) return `without the header ${missing}`;
  if (root !== undefined) return isWhole(answer.body, root) ? undefined : `without a whole ${root}`;
  return answer.body.trim() === '' ? undefined : 'with a body, where S3 promises none';
}

/**
 * Whether the text is one document with this root, from its first tag to its last: XML parsers take other roots, and the
 * SDK's takes what stands behind. A prefix before the name is refused, too: its elements are not found by their names.
 */
function isWhole(text: string, root: string): boolean {
  const start = behindMisc(text, 0);
  FIRST_TAG.lastIndex = start;
  const [first = '', name, closed] = FIRST_TAG.exec(text) ?? [];
  if (name !== root) return false;
  const end = `</${root}>`;
  const last = text.lastIndexOf(end);
  const behind = closed === '/' ? start + first.length : last + end.length;
  return (closed === '/' || last > start) && behindMisc(text, behind) === text.length;
}

/** What XML allows around the root: where the white space, comments and processing instructions from here on end. */
function behindMisc(text: string, from: number): number {
  for (let at = from; ; ) {
    SPACE.lastIndex = at;
    at += SPACE.exec(text)?.[0].length ?? 0;
    const [begin, close] = MISC.find(([mark]) => text.startsWith(mark, at)) ?? [];
    if (begin === undefined || close === undefined) return at;
    const closed = text.indexOf(close, at + begin.length);
    if (closed < 0) return at;
    at = closed + close.length;
  }
}

/** Sticky: read where lastIndex stands. */
const SPACE = /\s*/y;
const MISC = [
  ['<!--', '-->'],
  ['<?', '?>'],
] as const;
const FIRST_TAG = /<([^\s<>/]+)[^<>]*?(\/?)>/y;
