import { type Diagnosis, error, ok, skipped, warning } from "./diagnosis.ts";
import { type Mount, optionOf } from "./mounts.ts";
import { type User, userText } from "./users.ts";

const ROOT = 0;
const OFF = ["0", "off"];
const CAP_SYS_PTRACE = 19n;

export type KernelFacts = {
  /** `linux` and others. */
  readonly platform: string;
  /** `6.1.0-18-amd64`. */
  readonly release: string;
  /** `errno` of pidfd_open(2); `undefined` where it works. */
  readonly pidfdOpen: string | undefined;
  /** `errno` of the socket option SO_PEERPIDFD; `undefined` where it works. */
  readonly peerPidfd: string | undefined;
  /** Why the attestor can't work with /proc as it is; `undefined` where it can. */
  readonly procUnfitBecause: string | undefined;
  readonly proc: Mount | undefined;
  /** Of Yama; `undefined` where the kernel has none. */
  readonly ptraceScope: number | undefined;
  /** The user of the broker, as far as it is known. */
  readonly daemon: User | undefined;
  /** Effective capabilities of a broker that runs, a bit each. */
  readonly capabilities: bigint | undefined;
  /** Entries that name executables of other users. */
  readonly namesPrograms: boolean;
};

/** Whether callers can be known by what the kernel says of them. */
export function checkKernel(facts: KernelFacts): readonly Diagnosis[] {
  const { platform, release, pidfdOpen, procUnfitBecause } = facts;
  if (platform !== "linux") {
    const why = "who a caller is comes from the Linux kernel: stintd does not start";
    return [error("kernel", { what: `the system is ${platform}`, why, mend: "run stintd on Linux 5.3 or later" })];
  }
  if (pidfdOpen !== undefined) {
    const what = `pidfd_open does not work (${pidfdOpen}) on Linux ${release}`;
    const why = "a process could not be told from a later one with its pid: stintd does not start";
    return [
      error("kernel", { what, why, mend: "Linux 5.3 or later, and a seccomp profile that lets pidfd_open pass" }),
    ];
  }
  if (procUnfitBecause !== undefined) {
    const why = "who a caller is, is read there: stintd does not start";
    return [
      error("kernel", { what: procUnfitBecause, why, mend: "mount -t proc proc /proc, in the broker's namespaces" }),
    ];
  }
  return [...ofPeers(facts), ...ofHiding(facts), ...ofPtrace(facts), ...ofPrograms(facts)];
}

function ofPeers({ release, peerPidfd }: KernelFacts): readonly Diagnosis[] {
  if (peerPidfd === undefined) return [ok("kernel", `Linux ${release} names each caller for good (SO_PEERPIDFD)`)];
  const what = `Linux ${release} does not hold on to who connected (SO_PEERPIDFD: ${peerPidfd})`;
  const why =
    "where a caller ends between connecting and being accepted, another process of the same user and group may get its pid unseen";
  return [warning("kernel", { what, why, mend: "Linux 6.5 or later" })];
}

/** What hides processes of others, hides callers from the broker. */
function ofHiding({ proc, daemon, capabilities }: KernelFacts): readonly Diagnosis[] {
  const hidepid = proc === undefined ? undefined : optionOf(proc, "hidepid");
  if (proc === undefined || hidepid === undefined || OFF.includes(hidepid)) return [];
  const gid = optionOf(proc, "gid");
  const what = `/proc is mounted with hidepid=${hidepid}`;
  if (daemon === undefined)
    return [skipped("kernel", `${what}; whether the broker may look is not known without its user`)];
  const sees =
    daemon.uid === ROOT ||
    (gid !== undefined && daemon.gids.includes(Number(gid))) ||
    (capabilities !== undefined && hasPtrace(capabilities));
  if (sees) return [ok("kernel", `${what}, and ${userText(daemon)} may look all the same`)];
  const why = "callers of other users are refused with NO_IDENTITY, since nothing can be seen of them";
  const mend =
    gid === undefined
      ? `mount -o remount,hidepid=${hidepid},gid=<a group of ${userText(daemon)}> /proc, or CAP_SYS_PTRACE for stintd`
      : `usermod --append --groups ${gid} ${userText(daemon)}, or AmbientCapabilities=CAP_SYS_PTRACE in the unit of stintd`;
  // A unit may give the capability to a broker that does not run yet.
  return [capabilities === undefined ? warning("kernel", { what, why, mend }) : error("kernel", { what, why, mend })];
}

function ofPtrace({ ptraceScope }: KernelFacts): readonly Diagnosis[] {
  if (ptraceScope !== undefined && ptraceScope > 0)
    return [ok("kernel", `ptrace is confined (ptrace_scope ${ptraceScope})`)];
  const what =
    ptraceScope === undefined
      ? "the kernel has no Yama, so that ptrace is not confined"
      : "ptrace is not confined (kernel.yama.ptrace_scope is 0)";
  const why = "a process may read the memory of any other of its user, and the tokens of open steps in it";
  const mend =
    ptraceScope === undefined
      ? "a kernel with CONFIG_SECURITY_YAMA; until then, a user for each agent and nothing else under it"
      : "sysctl -w kernel.yama.ptrace_scope=1, and the same line in /etc/sysctl.d";
  return [warning("kernel", { what, why, mend })];
}

function ofPrograms({ namesPrograms, daemon, capabilities }: KernelFacts): readonly Diagnosis[] {
  if (!namesPrograms || daemon?.uid === ROOT) return [];
  const mend = "AmbientCapabilities=CAP_SYS_PTRACE in the unit of stintd";
  if (capabilities === undefined) {
    return [
      skipped("kernel", "entries name executables, which takes CAP_SYS_PTRACE: known of a broker that runs", mend),
    ];
  }
  if (hasPtrace(capabilities))
    return [ok("kernel", "the broker may look at the executables of others (CAP_SYS_PTRACE)")];
  const what = "entries name executables, and the broker has no CAP_SYS_PTRACE";
  const why = "unix:path and unix:sha256 of other users' processes can't be had, so that no such entry matches";
  return [error("kernel", { what, why, mend })];
}

function hasPtrace(capabilities: bigint): boolean {
  return ((capabilities >> CAP_SYS_PTRACE) & 1n) === 1n;
}
