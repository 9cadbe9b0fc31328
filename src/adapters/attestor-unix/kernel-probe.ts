import { closeSync } from "node:fs";
import process from "node:process";
import { BrokerError } from "../../domain/errors.ts";
import { readHostFacts } from "./host-facts.ts";
import { type Failure, openLibc, type Pidfd } from "./libc.ts";

/** What the attestor, and the broker's clock, need of the kernel, as far as it is there. Nothing is changed by asking. */
export type KernelProbe = {
  /** `errno`; `undefined` where it works. */
  readonly pidfdOpen: string | undefined;
  readonly peerPidfd: string | undefined;
  /** Why /proc can't be relied on; `undefined` where it can. */
  readonly procUnfitBecause: string | undefined;
  readonly clock: { readonly isSynchronized: boolean; readonly maxErrorSeconds: number } | undefined;
  /** Who listens at the other end of a connected unix socket. */
  listenerOf(socketFd: number): { readonly pid: number; readonly uid: number } | undefined;
};

/** @throws Error when the C library can't be loaded */
export function probeKernel(): KernelProbe {
  const libc = openLibc();
  const pair = libc.socketPair();
  const fds = pair.kind === "failure" ? [] : pair.fds;
  try {
    const [fd] = fds;
    return {
      pidfdOpen: errnoOf(libc.openPidfd(process.pid)),
      peerPidfd: fd === undefined ? "EMFILE" : errnoOf(libc.peerPidfd(fd)),
      procUnfitBecause: whyProcIsUnfit(),
      clock: libc.clock(),
      listenerOf(socketFd) {
        const listener = libc.peerCredentials(socketFd);
        return listener.kind === "failure" ? undefined : { pid: listener.pid, uid: listener.uid };
      },
    };
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

function errnoOf(outcome: Pidfd | Failure): string | undefined {
  if (outcome.kind === "failure") return outcome.errno;
  closeSync(outcome.fd);
  return undefined;
}

function whyProcIsUnfit(): string | undefined {
  try {
    readHostFacts();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof BrokerError) return thrown.message;
    throw thrown;
  }
}
