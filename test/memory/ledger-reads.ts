import { createCallApprovalReads } from "../../src/adapters/ledger-sqlite/reads/call-approval-reads.ts";
import { createCredentialReads } from "../../src/adapters/ledger-sqlite/reads/credential-reads.ts";
import { createExportReads } from "../../src/adapters/ledger-sqlite/reads/export-reads.ts";
import { createFeedReads } from "../../src/adapters/ledger-sqlite/reads/feed-reads.ts";
import { createHistoryReads } from "../../src/adapters/ledger-sqlite/reads/history-reads.ts";
import { createLogReads } from "../../src/adapters/ledger-sqlite/reads/log-reads.ts";
import { createPolicyReads } from "../../src/adapters/ledger-sqlite/reads/policy-reads.ts";
import { createProjectionReads } from "../../src/adapters/ledger-sqlite/reads/projection-reads.ts";
import type { Reader } from "../../src/adapters/ledger-sqlite/reads/reader.ts";
import { createRegistryReads } from "../../src/adapters/ledger-sqlite/reads/registry-reads.ts";
import { createStepReads } from "../../src/adapters/ledger-sqlite/reads/step-reads.ts";
import { createToolReads } from "../../src/adapters/ledger-sqlite/reads/tool-reads.ts";
import { createTreeReads } from "../../src/adapters/ledger-sqlite/reads/tree-reads.ts";

/** All that may be read of a ledger, by a reader of this thread. */
export function readsBy(reader: Reader) {
  return {
    projections: createProjectionReads(reader),
    steps: createStepReads(reader),
    callApprovals: createCallApprovalReads(reader),
    registry: createRegistryReads(reader),
    policies: createPolicyReads(reader),
    tools: createToolReads(reader),
    feed: createFeedReads(reader),
    credentials: createCredentialReads(reader),
    history: createHistoryReads(reader),
    exports: createExportReads(reader),
    tree: createTreeReads(reader),
    log: createLogReads(reader),
    backups: {
      copy: async () => {
        throw new TypeError("what is in memory alone is not backed up");
      },
    },
  };
}
