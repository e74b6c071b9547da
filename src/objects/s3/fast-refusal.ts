/**
 * What an answer of the fast path says when it is no success: the error document, read by a parser that fails on nothing.
 * It must take no other document for one.
 */
import { XMLParser } from 'fast-xml-parser';
import type { WireAnswer } from './fast-wire.ts';

/** An answer that is no success, in the shape of the SDK's errors: what it means is decided in errors.ts. */
export class RefusedAnswer extends Error {
  readonly $metadata: { readonly httpStatusCode: number };
  /** Where the server says that the bucket is, if it does. */
  readonly region?: string;
  readonly $response: { readonly headers: Partial<WireAnswer['headers']> };

  constructor(
    code: string,
    { status, headers = {} }: Pick<WireAnswer, 'status'> & Partial<Pick<WireAnswer, 'headers'>>,
    { message = '', region }: { readonly message?: string; readonly region?: string } = {},
  ) {
    super(message);
    this.name = code;
    this.$response = { headers };
    this.$metadata = { httpStatusCode: status };
    if (region !== undefined) this.region = region;
  }
}

const REGION = /^[a-z0-9-]{1,64}$/;
/** Longer documents are no error documents. */
const ERROR_BYTES_MAX = 64 * 1024;

const parser = new XMLParser({ ignoreAttributes: true, parseTagValue: false });

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
  return typeof value === 'string' ? value : undefined;
}

/** What an answer with another status than 2xx says. */
export function refusedAnswer(answer: WireAnswer): RefusedAnswer {
  const error = answer.body.length > ERROR_BYTES_MAX ? undefined : parsed(answer.body.toString())['Error'];
  const message = textOf(error, 'Message')?.trim();
  const region = [answer.headers['x-amz-bucket-region'], textOf(error, 'Region')].find(
    (name): name is string => typeof name === 'string' && REGION.test(name),
  );
  return new RefusedAnswer(textOf(error, 'Code')?.trim() || 'Unknown', answer, { message, region });
}
