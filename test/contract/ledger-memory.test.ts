import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { TRUST_DOMAIN } from "../samples/credentials.ts";
import { ledgerContract } from "./ledger.ts";
import { signingContract } from "./ledger-signing.ts";
import { ports, worldOf } from "./ledger-world.ts";

ledgerContract("SQLite in memory", async () => {
  const given = ports();
  const store = await openMemoryLedger(given);
  return { world: worldOf(store, given), close: store.close };
});

signingContract("SQLite in memory", async () => {
  const given = ports();
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: given.randomness });
  const signed: string[] = [];
  const store = await openMemoryLedger({
    ...given,
    signer: {
      sign(recorded) {
        signed.push(recorded.record.issuanceId);
        return signer.committed.sign(recorded);
      },
    },
  });
  return { world: worldOf(store, given), signer, signed: () => signed, close: store.close };
});
