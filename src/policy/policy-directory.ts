import { NO_DATA_CLASSES } from "../domain/data-classes.ts";
import { BrokerError } from "../domain/errors.ts";
import { createListeners } from "../follow/listeners.ts";
import { reliable } from "../follow/reliable.ts";
import type { Cancel } from "../ports/clock.ts";
import type { PolicyDirectory } from "../ports/directories.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { PolicyReads, ProjectionReads } from "../ports/ledger-reads.ts";
import type { PoliciesInForce, PolicyEngine } from "../ports/policy-engine.ts";

export type KeptPolicies = PolicyDirectory & {
  readonly following: Following;
  /** Of the set in force; 0: none. @throws BrokerError NOT_SERVING while that is not known */
  version(): number;
  /** Calls after each change of the set in force; ends with the returned function. */
  onChange(changed: () => void): Cancel;
};

export type PolicyDirectoryPorts = {
  readonly ledger: Pick<Ledger, "follow">;
  readonly projections: Pick<ProjectionReads, "policiesInForce">;
  readonly policies: Pick<PolicyReads, "policySet">;
  readonly engine: Pick<PolicyEngine, "load" | "unload">;
  /** Takes what a listener throws, and what kept a set from being loaded. */
  readonly failed: (error: unknown) => void;
};

/**
 * Sets that the engine keeps: what was asked a moment ago under the set before is still answered, and then found outdated
 * by the ledger's guard, so that it is decided again and nobody is refused for an activation.
 */
const SETS_KEPT = 3;

/** The set in force, once the engine has it. */
type Current = { readonly version: number; readonly sequence: number; ready: Promise<PoliciesInForce> | undefined };

/**
 * Keeps the set of policies in force beside the ledger, and ready to be asked. A set that the engine does not take keeps
 * everything from being decided; each question tries to load the set once more.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE; INVALID_FIELD where the engine does not take the set in force
 */
export async function keepPolicyDirectory(ports: PolicyDirectoryPorts): Promise<KeptPolicies> {
  const { engine } = ports;
  const { value, through } = await ports.projections.policiesInForce();
  const { onChange, tell } = createListeners(ports.failed);
  /** Roots that the engine has, the one in force last. */
  const kept: string[] = [];
  let current: Current = { version: value.version, sequence: value.sequence, ready: undefined };
  await ready();

  async function load({ version, sequence }: Current): Promise<PoliciesInForce> {
    if (version === 0) return { version, root: "", sequence, dataClasses: NO_DATA_CLASSES };
    const set = await ports.policies.policySet(version);
    if (set === undefined) throw new RangeError("the ledger names a set of policies that it does not have");
    await engine.load(set.root, set);
    keep(set.root);
    return { version, root: set.root, sequence, dataClasses: set.dataClasses };
  }

  function keep(root: string): void {
    const known = kept.indexOf(root);
    // One hold of each is enough.
    if (known >= 0) {
      kept.splice(known, 1);
      engine.unload(root);
    }
    kept.push(root);
    for (const old of kept.splice(0, Math.max(0, kept.length - SETS_KEPT))) engine.unload(old);
  }

  function ready(): Promise<PoliciesInForce> {
    const loading = current;
    loading.ready ??= load(loading).catch((thrown: unknown) => {
      loading.ready = undefined;
      ports.failed(thrown);
      throw new BrokerError("NOT_SERVING", "the policies in force can't be loaded", { cause: thrown });
    });
    return loading.ready;
  }

  function take({ event, sequence }: Committed): void {
    if (event.type !== "policy_set.activated") return;
    current = { version: event.version, sequence, ready: undefined };
    // What fails is told by `ready`, and tried again by the next question.
    ready().catch(() => undefined);
    tell();
  }

  const following = ports.ledger.follow({ name: "policies", take, recovered: tell }, through);
  const inForce = reliable(following, { ready, version: () => current.version });
  return { following, onChange, version: () => inForce().version(), inForce: async () => inForce().ready() };
}
