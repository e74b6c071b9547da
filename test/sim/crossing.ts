/** Real ports as the simulated world has them: every call crosses the boundary of its process, where it can fail or be the last. */
import { CompactError } from '../../src/errors.ts';
import type { Crossing, OddAnswers } from './boundary.ts';

export interface CrossingOptions {
  /** How a call is called in the table of faults, where not as the method. */
  readonly names?: Readonly<Record<string, string>>;
  readonly odd?: Readonly<Record<string, OddAnswers<unknown>>>;
}

/** A commit whose answer is lost is unknown, as the adapters have it. */
export function crossing<Port extends object>(
  boundary: Crossing,
  place: string,
  port: Port,
  { names = {}, odd = {} }: CrossingOptions = {},
): Port {
  return new Proxy(port, {
    get: (target, method) => {
      const value: unknown = Reflect.get(target, method, target);
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
      const name = String(method);
      return (...args: unknown[]) => {
        const answer = boundary.cross(`${place}.${names[name] ?? name}`, () => call(...args), odd[name]);
        if (name !== 'commit') return answer;
        return answer.catch((cause: unknown) => {
          if (cause instanceof CompactError && cause.message.startsWith('injected'))
            return { outcome: 'unknown', cause };
          throw cause;
        });
      };
    },
  });
}
