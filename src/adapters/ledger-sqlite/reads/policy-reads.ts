import type { Policy } from "../../../domain/policy-set.ts";
import type { RecordedRisk } from "../../../domain/risk.ts";
import type { PolicyReads } from "../../../ports/ledger-reads.ts";
import {
  type ActivationRow,
  activationOf,
  POLICY,
  POLICY_SET,
  type PolicySetContentRow,
  type PolicySetListRow,
  policySetOf,
  policySetRowOf,
} from "../tables/policy-table.ts";
import { RISK } from "../tables/world-table.ts";
import { consistently, type Reader } from "./reader.ts";

export function createPolicyReads({ read }: Reader): PolicyReads {
  return {
    policySet: async (version) =>
      read((db) =>
        consistently(db, () => {
          const row = db.get<PolicySetContentRow>(POLICY_SET.byVersion, { version });
          return row === undefined ? undefined : policySetOf(row, db.all<Policy>(POLICY.ofSet, { version }));
        }),
      ),
    policyActivation: async () => {
      const row = read((db) => db.get<ActivationRow>(POLICY_SET.lastActivation, {}));
      return row === undefined ? undefined : activationOf(row);
    },
    policySets: async () => read((db) => db.all<PolicySetListRow>(POLICY_SET.all)).map(policySetRowOf),
    risks: async (now) => read((db) => db.all<RecordedRisk>(RISK.live, { now })),
  };
}
