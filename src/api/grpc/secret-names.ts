import { invalidField } from "../../domain/errors.ts";
import { isSpiffeId, pathOf } from "../../domain/spiffe-id.ts";
import { type SvidIdentity, spiffeIdOf } from "../../stream/svid-identity.ts";

/** The names that SPIRE's agent has given to what has no SPIFFE ID of its own. */
const DEFAULT_SVID = "default";
export const OWN_BUNDLE = "ROOTCA";
export const ALL_BUNDLES = "ALL";

/** What a client of SDS asks for. */
export type AskedSecrets = {
  /** As they were given, the empty ones left out; none: everything that there is. */
  readonly names: readonly string[];
  readonly ofSvids: boolean;
  readonly ofBundles: boolean;
};

/** @throws BrokerError INVALID_FIELD for a name that no secret ever has */
export function askedSecrets(resourceNames: readonly string[]): AskedSecrets {
  const names = resourceNames.filter((name) => name !== "");
  const kinds = names.map((name, index) => {
    if (name === DEFAULT_SVID) return "svid";
    if (name === OWN_BUNDLE || name === ALL_BUNDLES) return "bundle";
    if (isSpiffeId(name)) return pathOf(name) === "" ? "bundle" : "svid";
    throw notThere(index, `${DEFAULT_SVID}, ${OWN_BUNDLE}, ${ALL_BUNDLES}, or a SPIFFE ID`);
  });
  const isAll = names.length === 0;
  return { names, ofSvids: isAll || kinds.includes("svid"), ofBundles: isAll || kinds.includes("bundle") };
}

/** Whether two requests ask for the same. */
export function asksTheSame(a: AskedSecrets, b: AskedSecrets): boolean {
  return new Set(a.names).size === new Set([...a.names, ...b.names]).size && a.names.length === b.names.length;
}

/**
 * The identities that are asked for, of all that the workload has, in their order.
 *
 * @param isStrict - whether each name has to be one's. A workload without any identity is told that instead.
 * @throws BrokerError INVALID_FIELD
 */
export function identitiesAskedFor(
  { names }: AskedSecrets,
  all: readonly SvidIdentity[],
  isStrict: boolean,
): readonly SvidIdentity[] {
  if (names.length === 0 || all.length === 0) return all;
  const ids = new Set<string>(all.map(spiffeIdOf));
  for (const [index, name] of names.entries()) {
    const isSvid = isSpiffeId(name) && pathOf(name) !== "";
    if (isStrict && isSvid && !ids.has(name)) throw notThere(index, "an identity that the calling process has now");
  }
  return all.filter((one, index) => namesOf(one, index === 0).some((name) => names.includes(name)));
}

/** By which names an SVID can be asked for. @param isFirst - of all identities that are given. */
export function namesOf(identity: SvidIdentity, isFirst: boolean): readonly string[] {
  return isFirst ? [DEFAULT_SVID, spiffeIdOf(identity)] : [spiffeIdOf(identity)];
}

/** @param index - of the name among those that were asked for. */
export function notThere(index: number, expected: string) {
  return invalidField(`resource_names[${index}]`, expected);
}
