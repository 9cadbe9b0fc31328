import { BrokerError } from "../domain/errors.ts";

/** Releases of Node.js that lack what a broker needs, and what that is. */
const UNFIT: ReadonlyMap<string, string> = new Map([
  ["24.21.0", "its TLS servers lose a client's intermediate certificates, and no SVID under an upstream CA verifies"],
]);

/** Why the broker must not run on a release of Node.js; `undefined` where it may. */
export function unfitnessOf(version: string): string | undefined {
  return UNFIT.get(version);
}

/** @throws BrokerError NOT_SERVING on a release of Node.js that the broker must not run on */
export function checkNode(version: string): void {
  const why = unfitnessOf(version);
  if (why !== undefined) throw new BrokerError("NOT_SERVING", `Node.js ${version} can't be used: ${why}`);
}
