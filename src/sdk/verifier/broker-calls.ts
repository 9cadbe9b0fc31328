import { VerificationError } from "../../verify/verification-error.ts";
import { type CallCheck, createCallCheck } from "./call-check.ts";
import type { VerifierSettings } from "./settings.ts";
import { createToolReporter, type ToolReporter } from "./tool-reporter.ts";
import { createUsageReporter, type UsageReporter } from "./usage-reporter.ts";

/** What a verifier asks the broker, and tells it, beside hearing of revocations. */
export type BrokerCalls = {
  readonly calls: CallCheck;
  readonly toolReporter: ToolReporter;
  readonly usage: UsageReporter | undefined;
};

/** By the workload endpoint. Without it there is nobody to ask: what takes the broker's word is refused. */
export function brokerCallsOf({ heardBy, reportUsage, clock }: VerifierSettings): BrokerCalls {
  if (heardBy.kind !== "feed") return UNCONNECTED;
  const { endpoint } = heardBy;
  return {
    calls: createCallCheck(endpoint),
    toolReporter: createToolReporter(endpoint),
    usage: reportUsage ? createUsageReporter(endpoint, clock) : undefined,
  };
}

const UNCONNECTED: BrokerCalls = {
  calls: {
    ask: () =>
      Promise.reject(
        new VerificationError("POLICY_DENIED", "this call takes the word of the broker, which this verifier can't ask"),
      ),
    close: () => undefined,
  },
  toolReporter: {
    report: () =>
      Promise.reject(
        new VerificationError("UNAVAILABLE", "what tools the server shows can't be reported: no broker is connected"),
      ),
    close: () => undefined,
  },
  usage: undefined,
};
