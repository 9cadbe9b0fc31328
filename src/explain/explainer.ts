import { BrokerError } from "../domain/errors.ts";
import { type ExplainPorts, explainDecision } from "./explain-decision.ts";
import type { Explanation } from "./explanation.ts";

export type Explainer = {
  /** @throws BrokerError as `explainDecision` does; LIMIT_EXCEEDED while too many wait */
  explain(decisionId: string): Promise<Explanation>;
};

/** Each may take seconds, and who waits behind more of them has given up by then. */
const WAITING_MAX = 16;

/** Explains decisions one after the other, with the set of the last one at hand for the next. */
export function createExplainer(ports: ExplainPorts): Explainer {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let loaded: string | undefined;

  const engine: ExplainPorts["engine"] = {
    ...ports.engine,
    async load(root, set) {
      if (loaded === root) return;
      if (loaded !== undefined) ports.engine.unload(loaded);
      loaded = undefined;
      await ports.engine.load(root, set);
      loaded = root;
    },
  };

  return {
    async explain(decisionId) {
      if (waiting >= WAITING_MAX) throw new BrokerError("LIMIT_EXCEEDED", "too many explanations wait: try again");
      waiting += 1;
      const explain = () => explainDecision(decisionId, { ...ports, engine });
      const mine = last.then(explain, explain);
      last = mine;
      try {
        return await mine;
      } finally {
        waiting -= 1;
      }
    },
  };
}
