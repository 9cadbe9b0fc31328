// planted: stream-imports
export { openLedger } from "../adapters/ledger-sqlite/open-ledger.ts";
