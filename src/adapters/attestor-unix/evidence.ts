import type { ProcessIdentity } from "../../domain/process.ts";
import { type Selector, selector } from "../../domain/selector.ts";
import type { Evidence } from "../../ports/attestor.ts";
import type { AccountNames } from "./account-names.ts";
import type { DigestAnswer } from "./digest-worker.ts";
import type { HostFacts } from "./host-facts.ts";
import type { Failure } from "./libc.ts";
import type { PinnedProcess } from "./live-facts.ts";
import type { ProcessFacts } from "./process-facts.ts";
import { systemdUnitOf } from "./systemd-unit.ts";

/** How the kernel's link ends for a file that no longer has a name; a file's own name may end so too. */
const DELETED = " (deleted)";

type Withheld = { readonly kind: "withheld"; readonly reason: string };

/** The identity of the process that has this pid in the broker's own PID namespace, wherever the process lives. */
export function identityOf(pid: number, startTimeTicks: number, host: HostFacts): ProcessIdentity {
  return { bootId: host.bootId, pidNamespace: host.pidNamespace, pid, startTimeTicks };
}

/**
 * What the facts of a live process, pinned when it was found, attest.
 *
 * @param digest - of the file that `facts.executableLink` names; absent when none was made.
 */
export function evidenceOf(
  { pid, startTimeTicks }: Pick<PinnedProcess, "pid" | "startTimeTicks">,
  facts: ProcessFacts,
  host: HostFacts,
  names: AccountNames,
  digest?: DigestAnswer,
): Omit<Evidence, "ancestors"> {
  const selectors = new Set<Selector>();
  const unavailable: { readonly kind: string; readonly reason: string }[] = [];
  const add = (kind: string, value: string | number | Withheld): void => {
    if (typeof value === "object") unavailable.push({ kind, reason: value.reason });
    else selectors.add(selector(kind, value));
  };

  add("unix:uid", facts.uid);
  add("unix:user", names.userName(facts.uid) ?? withheld("the uid has no local account"));
  if (facts.gid === host.unmappedGid) {
    add("unix:gid", withheld(UNMAPPED_GID));
    add("unix:group", withheld(UNMAPPED_GID));
  } else {
    add("unix:gid", facts.gid);
    add("unix:group", names.groupName(facts.gid) ?? withheld("the gid has no local group"));
  }
  for (const gid of facts.supplementaryGids) {
    add("unix:supplementary_gid", gid === host.unmappedGid ? withheld(UNMAPPED_GID) : gid);
  }
  const foreign = foreignMountsOf(facts, host);
  const executable = foreign ?? executableOf(facts);
  add("unix:path", executable);
  const sha256 = foreign ?? (digest === undefined ? undefined : sha256Of(digest));
  if (sha256 !== undefined) add("unix:sha256", sha256);

  if (facts.controlGroups !== undefined) add("systemd:unit", unitOf(facts.controlGroups));

  const base = {
    selectors,
    process: identityOf(pid, startTimeTicks, host),
    uid: facts.uid,
    sharesPids: facts.sharesPids,
    unavailable,
  };
  return typeof executable === "string" ? { ...base, executable } : base;
}

const UNMAPPED_GID = "the broker's user namespace has no number for it";

/** Why nothing about the executable can be believed: in other mounts, any file can be made to stand at any path. */
export function foreignMountsOf(facts: ProcessFacts, host: HostFacts): Withheld | undefined {
  if (typeof facts.mountNamespace !== "string") return unreadable(facts.mountNamespace.errno);
  if (facts.mountNamespace !== host.mountNamespace) return withheld("the process is in another mount namespace");
  return undefined;
}

function executableOf({ executableLink }: ProcessFacts): string | Withheld {
  if (typeof executableLink !== "string") return unreadable(executableLink.errno);
  if (executableLink.endsWith(DELETED)) {
    return withheld("the file was replaced or removed since the process started it");
  }
  // The kernel prefixes a path outside the broker's root; a path that is not UTF-8 must not pass for another path.
  const isBelievable = executableLink.startsWith("/") && !executableLink.includes("\ufffd");
  return isBelievable ? executableLink : withheld("the file has no path that can be believed");
}

function unitOf(controlGroups: string | Failure): string | Withheld {
  if (typeof controlGroups !== "string")
    return withheld(`reading its control groups failed with ${controlGroups.errno}`);
  const unit = systemdUnitOf(controlGroups);
  return typeof unit === "string" ? unit : withheld(unit.reason);
}

function sha256Of(digest: DigestAnswer): string | Withheld {
  return digest.kind === "digest" ? digest.sha256 : unreadable(digest.errno);
}

function unreadable(errno: string): Withheld {
  return withheld(REASONS[errno] ?? `reading the executable failed with ${errno}`);
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "reading other users' executables needs CAP_SYS_PTRACE",
  EPERM: "reading other users' executables needs CAP_SYS_PTRACE",
  ENOENT: "the process has no executable",
  EFBIG: "the executable is larger than what is hashed",
  EBUSY: "the executable changed while it was read",
  ETIMEDOUT: "the executable could not be read in time",
  EAGAIN: "too many executables cannot be read at the moment",
};

function withheld(reason: string): Withheld {
  return { kind: "withheld", reason };
}
