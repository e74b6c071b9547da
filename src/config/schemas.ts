/**
 * How the text of a setting is checked and becomes a value. Apart from the table and the units because only a command
 * that acts needs it: help and usage errors must not wait for zod. It must not know which settings exist.
 */
import { z } from 'zod';
import { toError } from '../errors.ts';
import { CURVEFS_SCHEME, parseCurvefsUrl } from '../urls/curvefs.ts';
import { JUICEFS_SCHEME, parseJuicefsUrl } from '../urls/juicefs.ts';
import { parseRedisUrl } from '../urls/redis.ts';
import type { SettingSpec } from './spec.ts';
import { type Form, formOf, parseNumber } from './units.ts';

/** A schema from the text of a setting to its value, with the row's range. */
export function schemaOf(spec: SettingSpec): z.ZodType<string | number | boolean, string> {
  switch (spec.unit) {
    case 'choice':
      return choiceSchema(spec.choices);
    case 'switch':
      return z.stringbool({
        truthy: ['true', '1'],
        falsy: ['false', '0'],
        case: 'sensitive',
        error: 'is neither true nor false',
      });
    case 'text':
      return z.string().regex(spec.pattern, { error: 'is not in the allowed form' });
    case 'url':
      return z.url({ protocol: /^https?$/, error: 'is not an http:// or https:// URL' });
    case 'redis':
      return parsedSchema(parseRedisUrl);
    case 'metadata':
      return parsedSchema((text) => {
        if (text.startsWith(CURVEFS_SCHEME)) return parseCurvefsUrl(text);
        return text.startsWith(JUICEFS_SCHEME) ? parseJuicefsUrl(text) : parseRedisUrl(text);
      });
    default:
      return numberSchema(formOf(spec.unit, spec.bareSeconds), limit(spec, 0), limit(spec, 1));
  }
}

function limit(spec: Extract<SettingSpec, { range: unknown }>, end: 0 | 1): number {
  const text = spec.range[end];
  const value = parseNumber(formOf(spec.unit, spec.bareSeconds), text);
  if (value === null) throw new TypeError(`the row of ${spec.flag} has a limit that is not in its unit: ${text}`);
  return value;
}

/** A schema from text to a number within `[min, max]`. */
function numberSchema(form: Form, min: number, max: number): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const value = parseNumber(form, text);
    if (value === null) return refuse(context, `is not ${form.like}`);
    if (value < min) return refuse(context, 'is too small');
    if (value > max) return refuse(context, 'is too large');
    return value;
  });
}

/** A schema for a choice, in any case: the SDKs take WHEN_REQUIRED and when_required. */
function choiceSchema(choices: readonly string[]): z.ZodType<string, string> {
  const small = z.string().toLowerCase();
  return small.refine((text) => choices.includes(text), { error: 'is not one of the choices' });
}

/** A schema for what `parse` takes, whose messages are whole sentences and name the URL without secrets. */
function parsedSchema(parse: (text: string) => unknown): z.ZodType<string, string> {
  return z.string().transform((text, context) => {
    try {
      parse(text);
      return text;
    } catch (error) {
      return refuse(context, toError(error).message);
    }
  });
}

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
}
