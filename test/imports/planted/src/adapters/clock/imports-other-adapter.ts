// planted: adapters-imports
export { openLedger } from "../ledger-sqlite/open-ledger.ts";
