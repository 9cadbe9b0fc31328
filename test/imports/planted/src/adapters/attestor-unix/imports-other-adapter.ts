// planted: adapters-attestor-unix-imports
export { openLedger } from "../ledger-sqlite/open-ledger.ts";
