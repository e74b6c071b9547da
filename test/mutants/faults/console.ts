/** Faults of the console's rules: who may see, who may act, and that reading changes nothing. */
import { type Fault, fault } from '../fault.ts';

type Replacement = readonly [find: string, replace: string];

function guards(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I13', { file: 'src/console/guards.ts', edits });
}

function door(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I13', { file: 'src/console/door.ts', edits });
}

function server(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I13', { file: 'src/console/server.ts', edits });
}

export const CONSOLE_FAULTS: readonly Fault[] = [
  guards('whoever shows no token comes in', ['else if (!OPEN.has(c.req.path)) {', 'else if (c.req.path === null) {']),
  server('the console acts without --allow-actions', [
    'acts: settings.consoleActions === true ? clients : undefined',
    'acts: clients',
  ]),
  guards('a console that only shows answers other methods', ['if (door === undefined) return false;', '']),
  guards('a form of another origin is taken', ['await sameOrigin(c, async () => undefined);', '']),
  guards('a form needs no word of its session', [
    "c.req.path !== '/login' && !isOwnForm",
    "c.req.path === '' && !isOwnForm",
  ]),
  guards('a page under a name of somebody else is answered', ["?? '') === false)", "?? '') === null)"]),
  guards('a form may be of any size', ['maxSize: FORM_BYTES_MAX', 'maxSize: 1024 ** 3']),
  door('any token is right', ["if (timingSafeEqual(hashOf(token), this.#hash)) return 'right';", "return 'right';"]),
  door('the right token waits, too, after many wrong ones', [
    "    if (timingSafeEqual(hashOf(token), this.#hash)) return 'right';\n    const seen",
    "    if (timingSafeEqual(hashOf(token), this.#hash) && !token) return 'right';\n    const seen",
  ]),
  door('wrong tokens are not counted', ['this.#wrong.consume(remote), ', '']),
  door('wrong tokens of all addresses are not counted', [', this.#wrongOfAll.consume(ALL)', '']),
  door('a token that could be guessed is taken', ['{16,256}', '{1,256}']),
  door('a session never ends', ['session.untilMs > this.#deps.monotonicMs()', 'session.untilMs > 0']),
  door('a session outlives its log-out', ['    this.#sessions.delete(sessionOf(c));\n', '']),
  fault('a stream outlives the session that opened it', 'I13', {
    file: 'src/console/live.ts',
    edits: [["if (c.get('visitor')?.isIn() === false) return ended.resolve();", '']],
  }),
  door('sessions are kept without end', ['this.#sessions.size >= SESSIONS_MAX && ', 'this.#sessions.size < 0 && ']),
  door('scripts can read the cookie', ['httpOnly: true', 'httpOnly: false']),
  door('the cookie goes along from other sites', ["sameSite: 'Strict'", "sameSite: 'None'"]),
  door('all sessions share a word', ['{ csrf: word(), untilMs }', "{ csrf: 'same', untilMs }"]),
  server('without a token it listens for others', ['if (hasToken || isLoopback(host))', 'if (host)']),
  server('acts need no token', [
    'if (settings.consoleActions === true && !hasToken)',
    'if (settings.consoleActions === true && token === null)',
  ]),
  fault('a hold is made on a volume, which has none', 'I13', {
    file: 'src/console/acts.ts',
    edits: [['if (ownership === undefined) throw', 'if (form === undefined) throw']],
  }),
  fault('a walk under way hides what the last one found', 'I13', {
    file: 'src/console/slices/volume-walk.ts',
    edits: [['this.#whole?.walk ?? this.#underWay?.walk;', 'this.#underWay?.walk ?? this.#whole?.walk;']],
  }),
  fault('looking at holds changes the book of holds', 'I13', {
    file: 'src/wiring/holds.ts',
    edits: [['await onNone?.(fsId)', 'await holdBook.forget(fsId)']],
  }),
];
