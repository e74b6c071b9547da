/**
 * A remote call as data: the service's full name and the method's name as they go over the wire, and its two messages.
 * Apart from the tables so that the client that sends calls needs to know none of them. No behaviour.
 */
import type { MessageType } from './codec.ts';

export interface Method<Request extends MessageType, Response extends MessageType> {
  /** Full name, e.g. `curvefs.mds.MdsService`. */
  readonly service: string;
  readonly name: string;
  readonly request: Request;
  readonly response: Response;
}

export function method<Request extends MessageType, Response extends MessageType>(
  service: string,
  name: string,
  messages: { readonly request: Request; readonly response: Response },
): Method<Request, Response> {
  return { service, name, ...messages };
}
