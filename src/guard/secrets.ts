import { createSecretNet, type SecretNet } from "../sdk/credential-scan/secret-net.ts";
import type { SecretSource } from "./guard-config.ts";
import { readSecret } from "./read-secret.ts";

/** What the server behind the guard wants to see, and nobody else may. */
export type Secrets = {
  /** As it is now. @throws UpstreamFailure SECRET_UNAVAILABLE, by the secret's name and never with a part of it */
  valueOf(name: string): Promise<string>;
  /** Finds all that were ever handed out here. */
  readonly net: () => SecretNet;
};

/** Read again this often: whoever rotates a file starts nothing anew. */
const FILE_KEPT_MS = 5_000;
/** As many of one name stay in the net: an answer may be under way that was made with the one before. */
const VALUES_KEPT_MAX = 4;

type Kept = { readonly value: string; readonly untilMs: number };

/**
 * @param nowMs - of a clock that is never set.
 */
export function createSecrets(sources: Readonly<Record<string, SecretSource>>, nowMs: () => number): Secrets {
  const kept = new Map<string, Kept>();
  const reading = new Map<string, Promise<string>>();
  const handedOut = new Map<string, readonly string[]>();
  let net = createSecretNet([]);

  async function read(name: string, source: SecretSource): Promise<string> {
    const value = await readSecret(name, source);
    const keptMs = source.kind === "file" ? FILE_KEPT_MS : source.keepSeconds * 1_000;
    kept.set(name, { value, untilMs: nowMs() + keptMs });
    const before = handedOut.get(name) ?? [];
    if (!before.includes(value)) {
      handedOut.set(name, [value, ...before].slice(0, VALUES_KEPT_MAX));
      net = createSecretNet([...handedOut.values()].flat());
    }
    return value;
  }

  return {
    async valueOf(name) {
      const source = sources[name];
      if (source === undefined) throw new RangeError("a secret that the configuration does not name");
      const known = kept.get(name);
      if (known !== undefined && nowMs() < known.untilMs) return known.value;
      const under = reading.get(name) ?? read(name, source).finally(() => reading.delete(name));
      reading.set(name, under);
      return under;
    },
    net: () => net,
  };
}
