import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { signerContract } from "../../contract/signer.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { TRUST_DOMAIN } from "../../samples/credentials.ts";

signerContract("memory", async () => ({
  signer: memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() }),
  close: async () => {},
}));
