import { afterAll, beforeAll, describe } from "vitest";
import { approvalsContract } from "./ledger-approvals.ts";
import { authoritiesContract } from "./ledger-authorities.ts";
import { callApprovalsContract } from "./ledger-call-approvals.ts";
import { callsContract } from "./ledger-calls.ts";
import { closingContract } from "./ledger-closing.ts";
import { closuresContract } from "./ledger-closures.ts";
import { connectedRunsContract } from "./ledger-connected-runs.ts";
import { credentialsContract } from "./ledger-credentials.ts";
import { delegatingContract } from "./ledger-delegating.ts";
import { descendantsContract } from "./ledger-descendants.ts";
import { entriesContract } from "./ledger-entries.ts";
import { eventStreamsContract } from "./ledger-event-streams.ts";
import { evidenceContract } from "./ledger-evidence.ts";
import { exchangesContract } from "./ledger-exchanges.ts";
import { federationContract } from "./ledger-federation.ts";
import { feedContract } from "./ledger-feed.ts";
import { filtersContract } from "./ledger-filters.ts";
import { historyContract } from "./ledger-history.ts";
import { issuingContract } from "./ledger-issuing.ts";
import { logContract } from "./ledger-log.ts";
import { openingContract } from "./ledger-opening.ts";
import { policiesContract } from "./ledger-policies.ts";
import { principalsContract } from "./ledger-principals.ts";
import { processesContract } from "./ledger-processes.ts";
import { retentionContract } from "./ledger-retention.ts";
import { statusListsContract } from "./ledger-status-lists.ts";
import { stepTreeContract } from "./ledger-step-tree.ts";
import { toolsContract } from "./ledger-tools.ts";
import type { World } from "./ledger-world.ts";

export type Fixture = { readonly world: World; close(): Promise<void> };

/**
 * What every adapter of the ledger promises. Each part runs on one ledger that its tests share, as they would share a
 * broker's: each makes its own entries, runs and steps, and looks at nothing else.
 *
 * @param open - a new, empty ledger.
 */
export function ledgerContract(name: string, open: () => Promise<Fixture>): void {
  const parts = {
    openingContract,
    delegatingContract,
    approvalsContract,
    issuingContract,
    callsContract,
    callApprovalsContract,
    closingContract,
    closuresContract,
    processesContract,
    entriesContract,
    authoritiesContract,
    federationContract,
    evidenceContract,
    principalsContract,
    feedContract,
    credentialsContract,
    statusListsContract,
    eventStreamsContract,
    historyContract,
    filtersContract,
    retentionContract,
    descendantsContract,
    stepTreeContract,
    policiesContract,
    toolsContract,
    connectedRunsContract,
    exchangesContract,
  };
  describe(name, () => {
    for (const [part, contract] of Object.entries(parts)) {
      describe(part, () => {
        let fixture: Fixture;
        beforeAll(async () => {
          fixture = await open();
        });
        afterAll(() => fixture.close());
        contract(() => fixture.world);
      });
    }
    describe("logContract", () => logContract(open));
  });
}
