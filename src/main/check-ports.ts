import type { AuthorizationsPorts } from "../api/grpc/authorizations.ts";
import { createCallRate } from "../check/call-rate.ts";
import { createUsageJournal } from "../check/usage-journal.ts";
import type { Config } from "../config/config.ts";
import type { Core } from "./core.ts";
import { trustOf } from "./trust.ts";

/** What deciding single calls takes. */
export function checkPortsOf(core: Core, config: Config): AuthorizationsPorts {
  const { clock, denials, entries, random, store, suspensions, machines } = core;
  const trust = trustOf(core, config);
  return {
    policies: core.policies,
    engine: core.engine,
    principals: core.principals,
    retries: core.retries,
    bundles: () => trust.bundles().jwt,
    ledger: store.ledger,
    credentials: store.credentials,
    steps: store.steps,
    callApprovals: store.callApprovals,
    processes: machines.watch,
    approvalSeconds: config.approvalSeconds,
    gate: suspensions,
    rate: createCallRate(clock),
    usageJournal: createUsageJournal({ ledger: store.ledger, clock }),
    entries,
    toolDirectory: core.toolDirectory,
    denials,
    clock,
    random,
  };
}
