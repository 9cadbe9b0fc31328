import { closeSync } from "node:fs";
import { errorOf } from "../../domain/errors.ts";
import { formatProcess, type ProcessIdentity } from "../../domain/process.ts";
import type { ProcessWatch } from "../../ports/attestor.ts";
import type { AccountNames } from "./account-names.ts";
import { evidenceOf } from "./evidence.ts";
import type { HostFacts } from "./host-facts.ts";
import type { Libc } from "./libc.ts";
import { liveFacts, type PinnedProcess, pinProcess } from "./live-facts.ts";

/** An abandoned step must be closed within a second; one look costs a single system call for all processes. */
const LOOK_EVERY_MS = 250;

type Watched = {
  readonly process: ProcessIdentity;
  /** Absent for as long as the broker is out of file descriptors. */
  pinned: PinnedProcess | undefined;
  readonly watchers: Set<{ readonly gone: () => void }>;
};

/** Of this machine alone, so that a pid says all. */
export type OwnProcessWatch = Omit<ProcessWatch, "find"> & { find(pid: number): ReturnType<ProcessWatch["find"]> };

/** Watches each process by one descriptor, however many watchers it has, and looks at all processes together. */
export function createProcessWatch(
  libc: Libc,
  host: HostFacts,
  names: AccountNames,
): OwnProcessWatch & { close(): void } {
  const watched = new Map<string, Watched>();
  let timer: NodeJS.Timeout | undefined;

  /** Pins a process that is not pinned yet; `false` when it is gone, or can't be told from another process. */
  function pin(one: Watched): boolean {
    const { bootId, pidNamespace, pid, startTimeTicks } = one.process;
    // After a restart on another boot or in another PID namespace this pid says nothing: an executor that can't be seen
    // is gone.
    if (bootId !== host.bootId || pidNamespace !== host.pidNamespace || pid <= 0) return false;
    const pinned = pinProcess(libc, pid, () => libc.openPidfd(pid));
    if (pinned.kind === "denial") return pinned.code === "NOT_SERVING";
    if (pinned.startTimeTicks !== startTimeTicks) {
      closeSync(pinned.pidfd);
      return false;
    }
    one.pinned = pinned;
    return true;
  }

  function look(): void {
    const all = [...watched.values()];
    const gone = all.filter((one) => one.pinned === undefined && !pin(one));
    const pinned = all.filter((one) => one.pinned !== undefined);
    const exited = libc.haveExited(pinned.flatMap((one) => one.pinned?.pidfd ?? []));
    // A look that failed says nothing of any process; the next look will.
    if (!("kind" in exited)) gone.push(...pinned.filter((_, index) => exited[index] === true));
    for (const one of gone) {
      forget(one);
      // Each watcher in a microtask of its own: one that throws must not keep the others from being told.
      for (const watcher of one.watchers) {
        queueMicrotask(() => {
          if (one.watchers.delete(watcher)) watcher.gone();
        });
      }
    }
  }

  function forget(one: Watched): void {
    const key = formatProcess(one.process);
    // Another watch of the same process may have taken this one's place meanwhile.
    if (watched.get(key) !== one) return;
    watched.delete(key);
    if (one.pinned !== undefined) closeSync(one.pinned.pidfd);
    one.pinned = undefined;
    if (watched.size === 0) clearInterval(timer);
  }

  function start(process: ProcessIdentity): Watched {
    const one: Watched = { process, pinned: undefined, watchers: new Set() };
    if (watched.size === 0) timer = setInterval(look, LOOK_EVERY_MS).unref();
    watched.set(formatProcess(process), one);
    // Pinned before the pid can go to another process. A process that is gone already is found by the next look.
    pin(one);
    return one;
  }

  return {
    watch(process, gone) {
      const one = watched.get(formatProcess(process)) ?? start(process);
      const watcher = { gone };
      one.watchers.add(watcher);
      return () => {
        one.watchers.delete(watcher);
        if (one.watchers.size === 0) forget(one);
      };
    },
    find(pid) {
      if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
      const pinned = pinProcess(libc, pid, () => libc.openPidfd(pid));
      if (pinned.kind === "denial") {
        if (pinned.code === "NOT_SERVING") throw errorOf(pinned);
        return undefined;
      }
      try {
        const facts = liveFacts(libc, pinned, true);
        if (facts.kind === "denial") return undefined;
        if (facts.uid === host.unmappedUid) return undefined;
        const { process, uid, selectors } = evidenceOf(pinned, facts, host, names);
        return { process, uid, selectors };
      } finally {
        closeSync(pinned.pidfd);
      }
    },
    close() {
      for (const one of [...watched.values()]) forget(one);
    },
  };
}
