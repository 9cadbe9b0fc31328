import { invalidField } from "./errors.ts";
import { kindOf, type Selector, typeOf } from "./selector.ts";

/** Types whose selectors one workload can have at the same time: by its process, or by one piece of evidence. */
const TOGETHER: readonly (readonly string[])[] = [["unix", "systemd"], ["oidc"], ["k8s"], ["x509pop"], ["join_token"]];
const OF_A_PROCESS = TOGETHER[0] ?? [];
/** The selector that says who vouches for the others; without it anybody else who is trusted could vouch for them. */
const AUTHORITY_OF: Readonly<Record<string, string>> = { oidc: "oidc:iss", k8s: "k8s:cluster", x509pop: "x509pop:ca" };

/**
 * Accepts the selectors of one entry, each of which was accepted by itself.
 *
 * @param ofAgent - whether the entry is an agent's, whose identity exists only within a step, on the broker's machine:
 *   no evidence gives that identity.
 * @throws BrokerError INVALID_FIELD
 */
export function checkSelectorsTogether(selectors: readonly Selector[], ofAgent: boolean, field: string): void {
  const types = [...new Set(selectors.map(typeOf))];
  if (!TOGETHER.some((together) => types.every((type) => together.includes(type)))) {
    throw invalidField(
      field,
      "only such as one workload can have: unix and systemd, or oidc, k8s, x509pop or join_token alone",
    );
  }
  if (ofAgent && !types.every((type) => OF_A_PROCESS.includes(type))) {
    throw invalidField(field, "for an agent only unix and systemd: evidence gives identities of infrastructure alone");
  }
  for (const type of types) {
    const authority = AUTHORITY_OF[type];
    if (authority !== undefined && !selectors.some((one) => kindOf(one) === authority)) {
      throw invalidField(
        field,
        `${authority}: too, beside others of ${type}: anybody else trusted could vouch for those`,
      );
    }
  }
}
