/**
 * The credentials of one client: kept for as long as they are good, so that a request need not wait for them, and asked
 * for afresh when the store refuses them, whatever their own date says. It must not send anything to the store, and what it
 * knows is never printed: `clean` takes it out of others' words.
 */
import { within } from '../../clock.ts';
import { SILENT_PROVIDER } from './errors.ts';
import type { PassingCredentials, S3Credentials } from './settings.ts';

type CredentialsProvider = (options?: { readonly forceRefresh?: boolean }) => Promise<PassingCredentials>;

/** As the SDK does: credentials that end sooner are asked for again. */
const REFRESH_AHEAD_MS = 5 * 60_000;
/** Credentials about to end that the provider does not renew yet, or that are refused, are asked for again after this long. */
const ASK_AGAIN_MS = 10_000;
/** Former keys that may still be in answers under way. */
const REMEMBERED_MAX = 4;

/** The provider says nothing: an outage, but not of the store. */
export class SilentProvider extends Error {
  constructor(ms: number) {
    super(`the credentials provider did not answer within ${ms} ms`);
    this.name = SILENT_PROVIDER;
  }
}

export class S3Identity {
  readonly #fresh: () => CredentialsProvider;
  readonly #answerMs: number;
  #provide: CredentialsProvider;
  #current: PassingCredentials | undefined;
  #goodUntilMs = 0;
  #generation = 0;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  #renewing: Promise<boolean> | undefined;
  readonly #former: PassingCredentials[] = [];

  /** `fresh` makes one more provider, that shares nothing with `provide`; each has so long for an answer. */
  constructor(provide: CredentialsProvider, fresh: () => CredentialsProvider, answerMs: number) {
    this.#provide = provide;
    this.#fresh = fresh;
    this.#answerMs = answerMs;
  }

  /** Grows with each change of credentials. */
  get generation(): number {
    return this.#generation;
  }

  /** Those that are good now, or `undefined`: they must be asked for. */
  known(nowMs: number): S3Credentials | undefined {
    return nowMs < this.#goodUntilMs ? this.#current : undefined;
  }

  /** Asks the provider, which remembers what is good for longer. Throws SilentProvider. */
  async ask(options?: { readonly forceRefresh?: boolean }): Promise<PassingCredentials> {
    const provide = this.#provide;
    const asked = await within(provide(options), this.#answerMs, () => this.#giveUp(provide));
    this.#take(asked);
    return asked;
  }

  /** It would give the promise that hangs to whoever asks next, for ever. */
  #giveUp(provide: CredentialsProvider): never {
    if (this.#provide === provide) this.#provide = this.#fresh();
    this.#refusedAtMs = Number.NEGATIVE_INFINITY;
    throw new SilentProvider(this.#answerMs);
  }

  /**
   * The store refuses the credentials of this generation: `true` when there are others now, so that the request can be
   * sent once more. The provider is asked by one request at a time, and not again for a while when it has no others.
   */
  renew(generation: number): Promise<boolean> {
    if (generation !== this.#generation) return Promise.resolve(true);
    this.#renewing ??= this.#askAfresh().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #askAfresh(): Promise<boolean> {
    const before = this.#generation;
    if (Date.now() - this.#refusedAtMs < ASK_AGAIN_MS) return false;
    this.#refusedAtMs = Date.now();
    this.#goodUntilMs = 0;
    await this.ask({ forceRefresh: true });
    return this.#generation !== before;
  }

  #take(asked: PassingCredentials): void {
    const endMs = asked.expiration?.getTime() ?? Number.POSITIVE_INFINITY;
    this.#goodUntilMs = Math.max(endMs - REFRESH_AHEAD_MS, Date.now() + ASK_AGAIN_MS);
    const current = this.#current;
    if (current !== undefined && isSame(current, asked)) return;
    if (current !== undefined) {
      this.#former.unshift(current);
      this.#former.length = Math.min(this.#former.length, REMEMBERED_MAX);
    }
    this.#current = asked;
    this.#generation++;
    this.#refusedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The text without any of the keys and tokens that were used. */
  clean(text: string): string {
    let cleaned = text;
    for (const known of [this.#current, ...this.#former]) {
      for (const secret of [known?.sessionToken, known?.secretAccessKey, known?.accessKeyId])
        if (secret !== undefined && secret !== '') cleaned = cleaned.replaceAll(secret, '…');
    }
    return cleaned;
  }
}

function isSame(a: S3Credentials, b: S3Credentials): boolean {
  return (
    a.accessKeyId === b.accessKeyId && a.secretAccessKey === b.secretAccessKey && a.sessionToken === b.sessionToken
  );
}
