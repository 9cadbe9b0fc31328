// planted: ledger-imports
export { openLedger } from "../adapters/ledger-sqlite/open-ledger.ts";
