// planted: domain-imports
export type { openLedger as LedgerType } from "../adapters/ledger-sqlite/open-ledger.ts";
