// planted: domain-imports
export { openLedger as ledgerOfTheDomain } from "../adapters/ledger-sqlite/open-ledger.ts";
