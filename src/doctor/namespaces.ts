import { type Diagnosis, error, ok, skipped, warning } from "./diagnosis.ts";

/** Fixed by the kernel (PROC_PID_INIT_INO): the PID namespace that the machine began with. */
const INITIAL_PID_NAMESPACE = "4026531836";

export type NamespaceFacts = {
  /** Inode of the PID namespace of the command. */
  readonly ownPid: string;
  /** Whether every user id of the machine has a number here. */
  readonly mapsAllUsers: boolean;
  /** Of a broker that answers; `hidden`: it is in no PID namespace that is seen from here. */
  readonly broker: { readonly pidNamespace: string | undefined } | "hidden" | undefined;
};

/** A process outside of the broker's PID namespace is a stranger to it, whatever its user. */
export function checkNamespaces({ ownPid, mapsAllUsers, broker }: NamespaceFacts): readonly Diagnosis[] {
  return [...ofPids(ownPid, broker), ...ofUsers(mapsAllUsers)];
}

function ofPids(ownPid: string, broker: NamespaceFacts["broker"]): readonly Diagnosis[] {
  const why =
    "a caller outside of the broker's PID namespace is refused with NO_IDENTITY: nothing can be seen of it from inside";
  const mend = "run stintd in the host's PID namespace (docker run --pid=host, hostPID: true, no PrivatePIDs=)";
  if (broker === "hidden") {
    return [error("namespaces", { what: "the broker is in another PID namespace than this command", why, mend })];
  }
  if (broker === undefined) {
    if (ownPid === INITIAL_PID_NAMESPACE) return [ok("namespaces", "this is the machine's own PID namespace")];
    const what =
      "this is a PID namespace of its own, as in a container; a broker started here would know only callers in it";
    return [warning("namespaces", { what, why, mend })];
  }
  if (broker.pidNamespace === undefined) {
    return [skipped("namespaces", "the broker's PID namespace is shown to root and to the broker's user alone")];
  }
  if (broker.pidNamespace !== ownPid) {
    const what = "the broker is in a PID namespace below this one";
    return [error("namespaces", { what, why, mend })];
  }
  if (ownPid === INITIAL_PID_NAMESPACE) return [ok("namespaces", "the broker is in the machine's own PID namespace")];
  return [
    warning("namespaces", {
      what: "broker and command are in one PID namespace, which is not the machine's",
      why,
      mend,
    }),
  ];
}

function ofUsers(mapsAllUsers: boolean): readonly Diagnosis[] {
  if (mapsAllUsers) return [];
  const what = "this is a user namespace that has no number for some users of the machine";
  const why = "such users can't be told from one another, and are refused with NO_IDENTITY";
  const mend = "run stintd in the machine's own user namespace";
  return [warning("namespaces", { what, why, mend })];
}
