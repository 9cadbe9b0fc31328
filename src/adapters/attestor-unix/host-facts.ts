import { readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { BrokerError } from "../../domain/errors.ts";

/** What is true of the broker's surroundings for as long as the broker runs. */
export type HostFacts = {
  readonly bootId: string;
  /** Inode of the broker's PID namespace, in which every pid that the broker is told has its meaning. */
  readonly pidNamespace: string;
  /** As in `mnt:[4026531832]`. */
  readonly mountNamespace: string;
  /** What the kernel shows for an id that the broker's user namespace does not map; `undefined` if it maps every id. */
  readonly unmappedUid: number | undefined;
  readonly unmappedGid: number | undefined;
};

/** `/proc/self/uid_map` of a namespace that has a number for every id. */
const ALL_MAPPED = /^\s*0\s+0\s+4294967295\s*$/;

/**
 * @throws BrokerError NOT_SERVING when the system is not Linux, or /proc is missing or shows another PID namespace: its
 *   facts would then be those of other processes with the same numbers
 */
export function readHostFacts(): HostFacts {
  if (process.platform !== "linux") {
    throw new BrokerError("NOT_SERVING", "attesting callers on a unix socket needs Linux");
  }
  try {
    // The list has one number for each PID namespace, from that of /proc down to the process's own.
    const numbers = /^NSpid:\s*(.*)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]?.split(/\s+/);
    if (numbers?.length !== 1 || Number(numbers[0]) !== process.pid) {
      throw new BrokerError("NOT_SERVING", "/proc shows another PID namespace than the broker's own: mount one in it");
    }
    return {
      bootId: readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim(),
      pidNamespace: readlinkSync("/proc/self/ns/pid").replace(/\D/g, ""),
      mountNamespace: readlinkSync("/proc/self/ns/mnt"),
      unmappedUid: overflowId("uid"),
      unmappedGid: overflowId("gid"),
    };
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    throw new BrokerError("NOT_SERVING", "attesting callers on a unix socket needs /proc", { cause });
  }
}

function overflowId(kind: "uid" | "gid"): number | undefined {
  if (ALL_MAPPED.test(readFileSync(`/proc/self/${kind}_map`, "latin1"))) return undefined;
  return Number(readFileSync(`/proc/sys/kernel/overflow${kind}`, "latin1"));
}
