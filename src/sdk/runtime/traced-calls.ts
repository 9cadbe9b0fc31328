import type { DescService } from "@bufbuild/protobuf";
import type { CallOptions, ClientOf } from "../../wire/client.ts";

/** Tells the broker, with each call, of which trace the call is a part; `undefined`: of none. */
export type Traceparent = () => string | undefined;

/** A client whose calls take one request and carry the header of W3C Trace Context. */
export function tracedCalls<Service extends DescService>(
  service: Service,
  client: ClientOf<Service>,
  traceparent: Traceparent | undefined,
): ClientOf<Service> {
  if (traceparent === undefined) return client;
  const calls = client as unknown as Record<string, (request: unknown, options: CallOptions) => unknown>;
  const traced = service.methods.map(({ localName }) => [
    localName,
    (request: unknown, options: CallOptions = {}) => {
      const value = traceparent();
      const metadata = value === undefined ? options.metadata : { ...options.metadata, traceparent: value };
      return calls[localName]?.(request, { ...options, metadata });
    },
  ]);
  return Object.fromEntries(traced) as ClientOf<Service>;
}
