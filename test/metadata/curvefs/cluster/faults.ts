/**
 * The faults that a test asks of the stand-in's servers: which call of which method at which server, and what becomes of
 * it. The first rule that fits strikes, and is used up. It knows no method by name.
 */
import type { Message } from './wire.ts';

/** An answer that is none, or one that says no: `status` by the service, `error` by brpc. */
export type Refusal = 'silence' | 'cut' | { readonly status: number } | { readonly error: number };

export interface Strike {
  /** Waited for before anything happens. */
  readonly before?: Promise<void>;
  /** Instead of the effect: nothing is applied. */
  readonly instead?: Refusal;
  /** Waited for after the effect, before the reply. */
  readonly after?: Promise<void>;
  /** Instead of the reply, after the effect. */
  readonly reply?: Refusal;
  /** The reply as it gets out; required fields may be missing. */
  readonly change?: (response: Message) => Message;
}

export interface FaultRule extends Strike {
  /** The method's name without its service. */
  readonly method: string;
  /** Default: any server. */
  readonly server?: string;
  readonly when?: (request: Message) => boolean;
  /** Calls that pass before it strikes; default 0. */
  readonly skip?: number;
  /** How often it strikes; default 1. */
  readonly times?: number;
  /** Called when it strikes, before anything happens. */
  readonly onStrike?: () => void;
}

interface Armed {
  readonly rule: FaultRule;
  skip: number;
  times: number;
}

export class Faults {
  #armed: Armed[] = [];
  struck = 0;

  add(rule: FaultRule): void {
    this.#armed.push({ rule, skip: rule.skip ?? 0, times: rule.times ?? 1 });
  }

  clear(): void {
    this.#armed = [];
  }

  strike(call: { readonly server: string; readonly method: string; readonly request: Message }): Strike | undefined {
    const fitting = this.#armed.filter(({ rule }) => fits(rule, call));
    for (const armed of fitting) {
      if (armed.skip > 0) {
        armed.skip--;
        continue;
      }
      armed.times--;
      if (armed.times <= 0) this.#armed.splice(this.#armed.indexOf(armed), 1);
      this.struck++;
      armed.rule.onStrike?.();
      return armed.rule;
    }
    return undefined;
  }
}

function fits(rule: FaultRule, call: { readonly server: string; readonly method: string; readonly request: Message }) {
  if (!call.method.endsWith(`/${rule.method}`)) return false;
  if (rule.server !== undefined && rule.server !== call.server) return false;
  return rule.when === undefined || rule.when(call.request);
}

/** Something that a test holds back until it lets go. */
export class Gate {
  readonly opened: Promise<void>;
  #open: () => void = () => undefined;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open();
  }
}
