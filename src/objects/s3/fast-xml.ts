/**
 * The little XML of the fast path: the body of DeleteObjects, its answer, and the error document. Read by the parser that
 * the SDK reads with. It must take nothing for a success that is not one, and must not fail on any bytes.
 */
import { XMLParser } from 'fast-xml-parser';
import type { DeleteFailure } from '../port.ts';
import type { WireAnswer } from './fast-wire.ts';

/** An answer that is no success, in the shape of the SDK's errors: what it means is decided in s3-errors.ts. */
export class RefusedAnswer extends Error {
  readonly $metadata: { readonly httpStatusCode: number };
  /** Where the server says that the bucket is, if it does. */
  readonly region?: string;
  readonly $response: { readonly headers: Partial<WireAnswer['headers']> };

  constructor(
    code: string,
    answer: Pick<WireAnswer, 'status'> & Partial<Pick<WireAnswer, 'headers'>>,
    facts: { message?: string; region?: string } = {},
  ) {
    super(facts.message ?? '');
    this.name = code;
    this.$response = { headers: answer.headers ?? {} };
    this.$metadata = { httpStatusCode: answer.status };
    if (facts.region !== undefined) this.region = facts.region;
  }
}

const REGION = /^[a-z0-9-]{1,64}$/;
/** Longer documents are no error documents. */
const ERROR_BYTES_MAX = 64 * 1024;

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  // Names keep their blanks.
  trimValues: false,
  // It knows no numeric ones, and gives up after some hundred: a thousand names may have more.
  processEntities: false,
  isArray: (_name, path) => path === 'DeleteResult.Error',
});

type Element = Readonly<Record<string, unknown>>;

function parsed(text: string): Element {
  try {
    const document: unknown = parser.parse(text);
    return isElement(document) ? document : {};
  } catch {
    return {};
  }
}

function isElement(value: unknown): value is Element {
  return typeof value === 'object' && value !== null;
}

function textOf(element: unknown, name: string): string | undefined {
  const value = isElement(element) ? element[name] : undefined;
  return typeof value === 'string' ? unescaped(value) : undefined;
}

/** What an answer with another status than 2xx says. */
export function refusedAnswer(answer: WireAnswer): RefusedAnswer {
  const error = answer.body.length > ERROR_BYTES_MAX ? undefined : parsed(answer.body.toString())['Error'];
  const message = textOf(error, 'Message')?.trim();
  const region = [answer.headers['x-amz-bucket-region'], textOf(error, 'Region')].find(
    (name): name is string => typeof name === 'string' && REGION.test(name),
  );
  return new RefusedAnswer(textOf(error, 'Code')?.trim() || 'Unknown', answer, {
    ...(message === undefined ? {} : { message }),
    ...(region === undefined ? {} : { region }),
  });
}

/** The names that a batch could not delete. Throws RefusedAnswer for what is no answer to a batch. */
export function deleteFailures(answer: WireAnswer): DeleteFailure[] {
  const text = answer.body.toString();
  // Some servers say nothing where there is nothing to say; the SDK takes that for a success, too.
  if (text.trim() === '') return [];
  const result = parsed(text)['DeleteResult'];
  // The root of a 200 may be an error.
  if (result === undefined || !/<\/DeleteResult>|<DeleteResult[^>]*\/>/.test(text)) throw refusedAnswer(answer);
  const errors = isElement(result) ? result['Error'] : undefined;
  return (Array.isArray(errors) ? errors : []).map((error) => ({
    name: textOf(error, 'Key') ?? '',
    code: textOf(error, 'Code')?.trim() ?? 'Unknown',
  }));
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** The body of a quiet DeleteObjects. */
export function deleteBody(names: readonly string[]): Buffer {
  let text =
    '<?xml version="1.0" encoding="UTF-8"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>';
  for (const name of names) text += `<Object><Key>${escaped(name)}</Key></Object>`;
  return Buffer.from(`${text}</Delete>`);
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([\da-f]{1,6}));/gi, (all, name, decimal, hex) => {
    if (name !== undefined) return NAMED[name] ?? all;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

function escaped(name: string): string {
  return name.replace(/[&<>"]|[^\x20-\x7e]/gu, (mark) => ESCAPES[mark] ?? `&#x${mark.codePointAt(0)?.toString(16)};`);
}

/** Controls and non-characters: no XML 1.0 document can hold them, not even escaped. */
const UNFIT = /[\p{Cc}\ufffe\uffff]/u;

export function fitsXml(name: string): boolean {
  return !UNFIT.test(name) && name.isWellFormed();
}
