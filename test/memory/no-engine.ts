import { BrokerError } from "../../src/domain/errors.ts";
import type { PolicyEngine } from "../../src/ports/policy-engine.ts";

const refuse = async (): Promise<never> => {
  throw new BrokerError("NOT_SERVING", "no policies are asked in this world");
};

/** For worlds in which ceilings alone decide: no set of policies is ever in force. */
export const NO_ENGINE: PolicyEngine = {
  check: refuse,
  load: refuse,
  unload: () => undefined,
  evaluate: refuse,
  close: async () => undefined,
};
