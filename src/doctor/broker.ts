import { type Diagnosis, error, ok, skipped, warning } from "./diagnosis.ts";

/** What came of asking a broker at its operator socket how it is. */
export type BrokerAnswer =
  | {
      readonly kind: "status";
      readonly isReady: boolean;
      readonly reasons: readonly string[];
      readonly warnings: readonly string[];
      readonly trustDomain: string;
    }
  /** It answered, but not whoever asked. */
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "unreachable"; readonly why: string };

/**
 * @param at.trustDomain - of the configuration, as far as there is one.
 * @param at.isListenedOn - whether somebody is there to connect to.
 */
export function checkBroker(
  answer: BrokerAnswer,
  at: { readonly socket: string; readonly trustDomain: string | undefined; readonly isListenedOn: boolean },
): readonly Diagnosis[] {
  const { socket, trustDomain } = at;
  if (answer.kind === "unreachable") {
    if (at.isListenedOn) {
      const what = `whoever listens at ${socket} does not answer: ${answer.why}`;
      const why = "the broker stands still, or it is no broker";
      return [
        error("broker", { what, why, mend: "see its log; kill -9 it, which the ledger stands, and start stintd anew" }),
      ];
    }
    return [skipped("broker", `no broker answers at ${socket}: ${answer.why}`)];
  }
  if (answer.kind === "refused") {
    const mend = "run stint doctor as an operator, or as the daemon's user where no operator is declared";
    return [skipped("broker", `the broker does not say how it is: ${answer.message}`, mend)];
  }
  const found: Diagnosis[] = [];
  if (trustDomain !== undefined && trustDomain !== answer.trustDomain) {
    const what = `the broker at ${socket} is of the trust domain ${answer.trustDomain}, and not of ${trustDomain}`;
    const why = "another broker, or one that was started with another configuration, serves there";
    found.push(error("broker", { what, why, mend: "give each broker sockets of its own, or start this one anew" }));
  }
  for (const reason of answer.reasons) {
    const why = "not everything can be issued";
    found.push(error("broker", { what: `the broker is not ready: ${reason}`, why, mend: STANDS_IN_THE_WAY }));
  }
  for (const one of answer.warnings) {
    const why = "nothing is refused for it now, by the broker";
    found.push(warning("broker", { what: one, why, mend: STANDS_IN_THE_WAY }));
  }
  return found.length > 0 ? found : [ok("broker", `the broker of ${answer.trustDomain} is ready`)];
}

const STANDS_IN_THE_WAY = "the row of it under “When something stands in the way”, docs/guides/operator.md";
