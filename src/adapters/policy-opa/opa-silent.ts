import { BrokerError } from "../../domain/errors.ts";

/** There was no answer. `detail` for the log alone, since OPA or whoever stands in its place may have written a part of it. */
export function opaSilent(detail: string): BrokerError {
  return new BrokerError("NOT_SERVING", "the external policy engine does not answer", { detail });
}
