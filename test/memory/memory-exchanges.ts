import { openExchangeVault } from "../../src/adapters/vault-disk/exchange-vault.ts";
import type { EndingsPorts } from "../../src/exchange/endings.ts";
import type { ConfiguredTarget } from "../../src/exchange/exchange-targets.ts";
import type { ExchangeVault } from "../../src/ports/exchange-vault.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import { memoryFiles } from "./memory-files.ts";

/** Other systems of a broker, over a vault whose files are in memory. */
export function memoryExchanges(
  randomness: Randomness,
  targets: readonly ConfiguredTarget[] = [],
): Pick<EndingsPorts, "targets" | "vault" | "delayed"> {
  return {
    targets: new Map(targets.map((target) => [target.name, target])),
    vault: memoryExchangeVault(randomness),
    delayed: () => undefined,
  };
}

/** The vault over files in memory. */
function memoryExchangeVault(randomness: Randomness): ExchangeVault {
  const files = memoryFiles(new Map());
  return openExchangeVault({ directory: "/nowhere", key: randomness.bytes(32), files, randomness });
}
