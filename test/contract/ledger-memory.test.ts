import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { ledgerContract } from "./ledger.ts";
import { ports, worldOf } from "./ledger-world.ts";

ledgerContract("SQLite in memory", async () => {
  const given = ports();
  const store = await openMemoryLedger(given);
  return { world: worldOf(store, given), close: store.close };
});
