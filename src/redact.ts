/**
 * Passwords out of text that people or logs will see. It stands alone because settings, errors and logs all need it
 * and must not differ. It errs on the side of hiding: text that merely looks like a URL with a password is cut too.
 * Text goes through here before it becomes JSON, never after.
 */

const HIDDEN = '***';
/**
 * `scheme://user:password@`: greedy up to the last `@` before white space, since passwords may contain `@` and `/`. The
 * form that a hint shows, `redis://[user:password@]host`, is left as it is.
 */
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)(?!\[user:password@\]host\b[^\s"'<>@]*(?:[\s"'<>]|$))[^\s"'<>]*@/gi;
/** Connection options given in a query, and the SDK's own names in dumps of the environment; the `…` of a hint stays. */
const NAMED_SECRET =
  /((?:password|passwd|passphrase|secret|token|auth|credential|access_?key)[\w-]*["']?\s*[=:]\s*["']?)(?!…(?:[\s&"',;)\]]|$))[^\s&"',;]+/gi;

/** The text with user information of URLs and values of secret-like names replaced by `***`. */
export function redactText(text: string): string {
  // Named ones first: a password in a query may contain `@`.
  return text.replace(NAMED_SECRET, `$1${HIDDEN}`).replace(USER_INFO, `$1${HIDDEN}@`);
}

/** A value meant to be a URL: also `user:password@host`, where the scheme was forgotten, loses its user. */
export function redactUrl(text: string): string {
  const redacted = redactText(text);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(redacted)) return redacted;
  const at = redacted.lastIndexOf('@');
  return at < 0 ? redacted : `${HIDDEN}${redacted.slice(at)}`;
}
