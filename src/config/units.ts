/**
 * The units of settings: how a duration, a size, a count, a switch or a URL is written, read and printed back.
 * It stands alone so that the table, the checks and the docs agree on one spelling. Reading is strict: text that is
 * not exactly in the unit's form is refused, never guessed at. It must not know which settings exist.
 */

export type NumberUnit = 'duration' | 'size' | 'count';

/** Factors in the order in which `print` tries them. */
const DURATION_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const SIZE_BYTES = { TiB: 2 ** 40, GiB: 2 ** 30, MiB: 2 ** 20, KiB: 2 ** 10, B: 1 } as const;

/** How numbers of a unit are written. */
export interface Form {
  readonly pattern: RegExp;
  readonly factors: Readonly<Record<string, number>>;
  /** The factor of a number without a unit; absent: the unit must be there. */
  readonly bare?: number;
  /** Ends the sentence "is not …". */
  readonly like: string;
}

const FORMS: Readonly<Record<NumberUnit, Form>> = {
  duration: {
    pattern: /^(\d{1,16})(ms|s|m|h|d)$/,
    factors: DURATION_MS,
    like: 'a duration like 500ms, 10s, 10m, 1h or 3d',
  },
  size: {
    pattern: /^(\d{1,16})(B|KiB|MiB|GiB|TiB)?$/,
    factors: SIZE_BYTES,
    bare: 1,
    like: 'a size like 65536, 64KiB, 256MiB or 1GiB',
  },
  count: { pattern: /^(\d{1,16})$/, factors: {}, bare: 1, like: 'a whole number' },
};

/** A duration of which a number without a unit means seconds. */
const BARE_SECONDS: Form = {
  pattern: /^(\d{1,16})(ms|s|m|h|d)?$/,
  factors: DURATION_MS,
  bare: DURATION_MS.s,
  like: 'a number of seconds or a duration like 500ms, 10s, 10m, 1h or 3d',
};

export function formOf(unit: NumberUnit, bareSeconds = false): Form {
  return bareSeconds ? BARE_SECONDS : FORMS[unit];
}

/** The number that the text stands for (milliseconds, bytes or a count), or `null` when it is not in the form. */
export function parseNumber(form: Form, text: string): number | null {
  const match = form.pattern.exec(text);
  if (match === null) return null;
  const factor = match[2] === undefined ? form.bare : form.factors[match[2]];
  if (factor === undefined) return null;
  const value = Number(match[1]) * factor;
  return Number.isSafeInteger(value) ? value : null;
}

/** The shortest text that `parseNumber` reads back as this very number: `600000` ms is `10m`. */
export function printNumber(unit: NumberUnit, value: number): string {
  if (unit === 'count') return String(value);
  const fitting = Object.entries(FORMS[unit].factors).find(([, factor]) => value >= factor && value % factor === 0);
  if (fitting !== undefined) return `${value / fitting[1]}${fitting[0]}`;
  return unit === 'duration' ? `${value}ms` : String(value);
}
