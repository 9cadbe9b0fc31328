import { BrokerError } from "../../src/domain/errors.ts";
import { formatProcess, type ProcessIdentity, sameProcess } from "../../src/domain/process.ts";
import { selector } from "../../src/domain/selector.ts";
import type { Attestor, Peer, ProcessWatch } from "../../src/ports/attestor.ts";
import type { Kinship } from "../../src/ports/kinship.ts";

export type SimulatedProcess = {
  readonly process: ProcessIdentity;
  readonly uid: number;
  readonly executable: string;
  readonly peer: Peer;
  readonly parent?: SimulatedProcess;
};

/** Stands where the kernel stands: knows which processes live and whose they are, and tells when one ends. */
export type Kernel = {
  readonly attestor: Attestor;
  readonly processes: ProcessWatch;
  readonly kinship: Kinship;
  /** @param parent - what starts it; absent: the first process of the machine. */
  start(uid: number, parent?: SimulatedProcess): SimulatedProcess;
  kill(process: SimulatedProcess): void;
  isAlive(process: SimulatedProcess): boolean;
  /** Watches that have not fired and were not ended. */
  watched(): number;
};

/** Of all processes here. */
export const PID_NAMESPACE = "4026531836";

/** @param bootId - of the machine. */
export function createKernel(bootId = "boot"): Kernel {
  const alive = new Map<number, SimulatedProcess>();
  const watches = new Set<{ readonly process: ProcessIdentity; readonly gone: () => void }>();
  let started = 0;

  /** Each starts in a session of its own and stays where it was started, so that nobody is taken for an orphan. */
  function chainOf(one: SimulatedProcess): readonly ProcessIdentity[] {
    const isThere = one.parent !== undefined && alive.has(one.parent.process.pid);
    return [one.process, ...(isThere && one.parent !== undefined ? chainOf(one.parent) : [])];
  }

  const selectorsOf = (uid: number) => new Set([selector("unix:uid", uid)]);

  return {
    attestor: {
      async attest(peer) {
        const found = alive.get(peer.pid);
        if (found === undefined || found.peer !== peer) throw new BrokerError("NO_IDENTITY", "the process is gone");
        const { uid, process, executable } = found;
        return {
          selectors: selectorsOf(uid),
          process,
          uid,
          sharesPids: true,
          ancestors: () => chainOf(found).slice(1),
          executable,
          unavailable: [],
        };
      },
    },
    processes: {
      watch(process, gone) {
        const watch = { process, gone };
        const isThere = [...alive.values()].some((one) => sameProcess(one.process, process));
        if (isThere) watches.add(watch);
        else queueMicrotask(gone);
        return () => void watches.delete(watch);
      },
      find(pid) {
        const found = alive.get(pid);
        return found === undefined ? undefined : { ...found, selectors: selectorsOf(found.uid) };
      },
    },
    kinship: {
      lineageOf(process) {
        const found = alive.get(process.pid);
        if (found === undefined || !sameProcess(found.process, process)) return { kind: "untold" };
        return { kind: "lineage", chain: chainOf(found).map((one) => ({ process: one })) };
      },
      placeOf: ({ pid }) => (alive.has(pid) ? { session: pid, controlGroup: "/" } : undefined),
      alive: () => [...alive.values()].map(({ process }) => process),
    },
    start(uid, parent) {
      started += 1;
      const pid = 1_000 + started;
      const process = { bootId, pidNamespace: PID_NAMESPACE, pid, startTimeTicks: started };
      const peer = { connectionId: formatProcess(process), uid, pid };
      const one = {
        process,
        uid,
        executable: `/usr/bin/program-of-${uid}`,
        peer,
        ...(parent === undefined ? {} : { parent }),
      };
      alive.set(pid, one);
      return one;
    },
    kill({ process }) {
      alive.delete(process.pid);
      for (const watch of [...watches]) {
        if (!sameProcess(watch.process, process)) continue;
        watches.delete(watch);
        watch.gone();
      }
    },
    isAlive: ({ process }) => alive.has(process.pid),
    watched: () => watches.size,
  };
}
