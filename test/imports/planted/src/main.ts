// planted: nothing
import { openLedger } from "./adapters/ledger-sqlite/open-ledger.ts";

export const run = (): unknown => openLedger("stint.db");
