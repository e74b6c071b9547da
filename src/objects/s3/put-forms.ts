/**
 * A PUT in the form that the store takes. A refusal of a form seldom says what it is about, so the same PUT is sent without one
 * thing after the other; what the store lacks is known when the PUT has succeeded without it, and remembered.
 * The condition is given up last, and never where the store has taken it before (I3). It must not retry what an outage
 * or a request of its own fault made fail.
 */
import { crc32 } from 'node:zlib';
import { CompactError } from '../../errors.ts';
import type { StoreCapability } from '../port.ts';
import type { KnownCapabilities } from './capabilities.ts';
import { crc32c } from './checksums.ts';
import type { S3Connection } from './connection.ts';
import type { PutForm, PutOutcome, S3DataPath } from './data-path-sdk.ts';
import { errorFacts, refusesForm } from './errors.ts';

/** What is left out of a form, and how. */
interface Alternative {
  readonly without: readonly StoreCapability[];
  readonly form: PutForm;
}

/** How the clients of a file system write their objects. */
export interface Writes {
  /** The CRC-32C is kept with the object. */
  readonly keepsCrc32c: boolean;
  readonly storageClass: string | undefined;
}

interface PutCall extends Writes {
  readonly connection: S3Connection;
  readonly data: S3DataPath;
  readonly name: string;
  readonly body: Uint8Array;
  readonly signal: AbortSignal | undefined;
  /** Whether the object is there, asked of the store. */
  readonly isThere: () => Promise<boolean>;
}

/** One request where the form is known; at most five, once, where the store refuses it. */
export async function putInForm(call: PutCall): Promise<PutOutcome> {
  const { connection, data, name, body, signal, storageClass } = call;
  const { capabilities } = connection;
  const sums = { crc32: crc32(body), crc32c: call.keepsCrc32c ? crc32c(body) : undefined };
  const send = (form: PutForm): Promise<PutOutcome> => data.put({ name, body, ...sums, storageClass, form, signal });
  const form = bestForm(connection);
  try {
    const outcome = await send(form);
    accepted(form, capabilities);
    return outcome;
  } catch (thrown) {
    const others = await alternativesTo(form, thrown, call);
    if (others === 'exists') return 'exists';
    const found = await firstThatSucceeds(others, send);
    if (found === undefined) throw thrown;
    for (const capability of found.without) capabilities.refuses(capability);
    accepted(found.form, capabilities);
    return found.outcome;
  }
}

/** Whether the store compares a checksum with what arrives: the same PUT with that of other bytes. */
export async function putDamaged(
  call: Omit<PutCall, 'isThere' | keyof Writes>,
): Promise<'refused' | 'taken' | 'untried'> {
  const { connection, data, name, body, signal } = call;
  const form = bestForm(connection);
  if (!form.checksum) return 'untried';
  try {
    await data.put({ name, body, crc32: (crc32(body) ^ 1) >>> 0, form, signal });
    return 'taken';
  } catch (thrown) {
    if (thrown instanceof CompactError && errorFacts(thrown.cause).status === 400) return 'refused';
    throw thrown;
  }
}

function bestForm(connection: S3Connection): PutForm {
  const checksum = connection.sendsChecksums;
  const unsigned = checksum && connection.capabilities.has('unsignedPayload');
  return { conditional: connection.capabilities.has('conditionalPut'), checksum, unsigned };
}

function accepted(form: PutForm, capabilities: KnownCapabilities): void {
  if (form.conditional) capabilities.accepts('conditionalPut');
  if (form.checksum) capabilities.accepts('checksumHeaders');
  if (form.unsigned) capabilities.accepts('unsignedPayload');
}

/** The forms to try after a refusal; none where it is not about the form. */
async function alternativesTo(
  form: PutForm,
  thrown: unknown,
  call: PutCall,
): Promise<readonly Alternative[] | 'exists'> {
  if (!(thrown instanceof CompactError)) return [];
  const all = alternatives(form, call.connection.capabilities);
  // It took the words UNSIGNED-PAYLOAD for the hash of the body.
  if (form.unsigned && errorFacts(thrown.cause).name.endsWith('ContentSHA256Mismatch'))
    return all.filter((other) => other.form.conditional === form.conditional);
  if (refusesForm(thrown, [400, 501])) return all;
  if (!form.conditional || !refusesForm(thrown, [409])) return [];
  // In conflict with what? A store may answer so in place of 412.
  return (await call.isThere()) ? 'exists' : all.filter((other) => !other.form.conditional);
}

function alternatives(form: PutForm, capabilities: KnownCapabilities): readonly Alternative[] {
  const found: Alternative[] = [];
  const bare = { checksum: false, unsigned: false };
  if (form.unsigned) found.push({ without: ['unsignedPayload'], form: { ...form, unsigned: false } });
  if (form.checksum) found.push({ without: ['checksumHeaders'], form: { ...form, ...bare } });
  // A server that has taken the condition knows it.
  if (!form.conditional || capabilities.isAccepted('conditionalPut')) return found;
  found.push({ without: ['conditionalPut'], form: { ...form, conditional: false } });
  if (form.checksum) {
    const without = ['conditionalPut', 'checksumHeaders'] as const;
    found.push({ without, form: { conditional: false, ...bare } });
  }
  return found;
}

async function firstThatSucceeds(
  others: readonly Alternative[],
  send: (form: PutForm) => Promise<PutOutcome>,
): Promise<(Alternative & { readonly outcome: PutOutcome }) | undefined> {
  for (const other of others) {
    try {
      return { ...other, outcome: await send(other.form) };
    } catch (thrown) {
      // An outage, or the caller's wish to stop, says nothing about forms.
      if (!(thrown instanceof CompactError && thrown.kind === 'halt')) throw thrown;
    }
  }
  return undefined;
}
