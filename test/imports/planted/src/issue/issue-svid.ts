// planted: issue-imports
export { openLedger as issueSvid } from "../adapters/ledger-sqlite/open-ledger.ts";
