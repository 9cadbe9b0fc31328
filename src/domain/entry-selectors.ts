import { invalidField } from "./errors.ts";
import type { EntryKind } from "./registration-entry.ts";
import { kindOf, type Selector, typeOf } from "./selector.ts";

/** Types whose selectors one workload can have at the same time: by its process, or by one piece of evidence. */
const TOGETHER: readonly (readonly string[])[] = [
  ["unix", "systemd", "node"],
  ["oidc"],
  ["k8s"],
  ["x509pop"],
  ["join_token"],
];
const OF_A_PROCESS = TOGETHER[0] ?? [];
/** The selector that says who vouches for the others; without it anybody else who is trusted could vouch for them. */
const AUTHORITY_OF: Readonly<Record<string, string>> = { oidc: "oidc:iss", k8s: "k8s:cluster", x509pop: "x509pop:ca" };

/**
 * Accepts the selectors of one entry, each of which was accepted by itself.
 *
 * @param kind - of the entry. An agent's identity exists only within a step, on a machine where processes are seen: no
 *   evidence gives that identity. A node is known by evidence alone, and no node vouches for an operator or another node.
 * @throws BrokerError INVALID_FIELD
 */
export function checkSelectorsTogether(selectors: readonly Selector[], kind: EntryKind, field: string): void {
  const types = [...new Set(selectors.map(typeOf))];
  if (!TOGETHER.some((together) => types.every((type) => together.includes(type)))) {
    throw invalidField(
      field,
      "only such as one workload can have: unix, systemd and node, or oidc, k8s, x509pop or join_token alone",
    );
  }
  const isOfProcess = types.every((type) => OF_A_PROCESS.includes(type));
  if (kind === "agent" && !isOfProcess) {
    throw invalidField(
      field,
      "for an agent only unix, systemd and node: evidence gives identities of infrastructure alone",
    );
  }
  if (kind === "node" && isOfProcess) {
    throw invalidField(field, "for a node evidence that its machine shows: oidc, k8s, x509pop or join_token");
  }
  checkNodes(selectors, kind, field);
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

function checkNodes(selectors: readonly Selector[], kind: EntryKind, field: string): void {
  const nodes = selectors.filter((one) => typeOf(one) === "node");
  if (nodes.length === 0) return;
  if (kind === "operator")
    throw invalidField(field, "for an operator none of a node, which would administer the broker");
  if (nodes.length > 1) throw invalidField(field, "one node: a process is on one machine");
  if (nodes.length === selectors.length) {
    throw invalidField(field, "unix or systemd beside node, or every process of the machine would match");
  }
}
