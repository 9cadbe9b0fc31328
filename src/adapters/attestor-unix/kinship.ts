import { closeSync, readdirSync } from "node:fs";
import type { Lineage } from "../../domain/descent.ts";
import type { ProcessIdentity } from "../../domain/process.ts";
import type { Kinship } from "../../ports/kinship.ts";
import { lineageOf } from "./ancestors.ts";
import { identityOf } from "./evidence.ts";
import type { HostFacts } from "./host-facts.ts";
import type { Libc } from "./libc.ts";
import { hasExited, pinProcess } from "./live-facts.ts";
import { placeIn } from "./orphans.ts";
import { readParentage, readStartTime } from "./process-facts.ts";

const UNTOLD: Lineage = { kind: "untold" };

/** Kinship as /proc shows it, each answer read between two proofs that the process is alive. */
export function createKinship(libc: Libc, host: HostFacts): Kinship {
  /** What `read` gives of a live process; `undefined` for one that is gone, or another by now. */
  function ofLive<Facts>({ bootId, pidNamespace, pid, startTimeTicks }: ProcessIdentity, read: () => Facts) {
    if (bootId !== host.bootId || pidNamespace !== host.pidNamespace || pid <= 0) return undefined;
    const pinned = pinProcess(libc, pid, () => libc.openPidfd(pid));
    if (pinned.kind === "denial") return undefined;
    try {
      if (pinned.startTimeTicks !== startTimeTicks) return undefined;
      const facts = read();
      return hasExited(libc, pinned.pidfd) ? undefined : facts;
    } finally {
      closeSync(pinned.pidfd);
    }
  }

  return {
    lineageOf: (process) => ofLive(process, () => lineageOf(process.pid, process.startTimeTicks, host)) ?? UNTOLD,
    placeOf: (process) =>
      ofLive(process, () => {
        const own = readParentage(process.pid);
        return own.kind === "failure" ? {} : placeIn({ ...own, pid: process.pid });
      }),
    alive: () =>
      readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .flatMap((name) => {
          const startTimeTicks = readStartTime(Number(name));
          return typeof startTimeTicks === "number" ? [identityOf(Number(name), startTimeTicks, host)] : [];
        }),
  };
}
