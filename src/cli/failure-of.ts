import { BrokerError } from "../domain/errors.ts";
import { CallError, whyUnreachable } from "../wire/call-error.ts";
import { EXIT, Failure } from "./failure.ts";
import { showControls } from "./output/show-controls.ts";

/**
 * The failure that says what was caught.
 *
 * @param endpoint - where the call went, if one was made.
 */
export function failureOf(thrown: unknown, endpoint: string | undefined): Failure {
  if (thrown instanceof Failure) return thrown;
  // Thrown on our side, before anything was sent: what the user gave could not be accepted.
  if (thrown instanceof BrokerError) return new Failure(`${thrown.code}: ${thrown.message}`, EXIT.usage);
  if (!(thrown instanceof CallError)) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new Failure(`internal error: ${showControls(message)}`, EXIT.refused, { cause: thrown });
  }
  if (thrown.unreachable) {
    const where = endpoint ?? "its socket";
    return new Failure(`can't reach the broker at ${where}: ${whyUnreachable(thrown)}`, EXIT.unreachable);
  }
  const decision = thrown.metadata["decision_id"];
  const text = `${thrown.info?.reason ?? thrown.codeName}: ${thrown.message}`;
  const isNamed = decision === undefined || text.includes(decision);
  return new Failure(showControls(isNamed ? text : `${text} (${decision})`), EXIT.refused);
}
