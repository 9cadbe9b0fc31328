import { closeSync } from "node:fs";
import process from "node:process";
import { BrokerError, type Denial, denial, errorOf } from "../../domain/errors.ts";
import { type ProcessIdentity, sameProcess } from "../../domain/process.ts";
import type { Attestor, Evidence, Peer } from "../../ports/attestor.ts";
import type { Kinship } from "../../ports/kinship.ts";
import { type AccountFiles, createAccountNames } from "./account-names.ts";
import { ancestorsOf } from "./ancestors.ts";
import { evidenceOf, foreignMountsOf } from "./evidence.ts";
import { createExecutableDigests } from "./executable-digests.ts";
import { readHostFacts } from "./host-facts.ts";
import { createKinship } from "./kinship.ts";
import { type Failure, isOneOfTheLast, type Libc, openLibc, type PeerCredentials, type Pidfd } from "./libc.ts";
import { hasExited, liveFacts, type PinnedProcess, pinProcess } from "./live-facts.ts";
import type { ProcessFacts } from "./process-facts.ts";
import { createProcessWatch, type OwnProcessWatch } from "./process-watch.ts";
import { createStatusFiles } from "./status-files.ts";
import { createTurnMemory } from "./turn-memory.ts";

/** The process that opened a connection on a unix socket. Holds a descriptor until `close` is called. */
export type UnixPeer = Peer & {
  /** Effective group id at connect time, by the kernel's word. */
  readonly gid: number;
  /** To be called with the end of the connection. Every later `attest` of the peer is refused. Idempotent. */
  close(): void;
};

export type UnixAttestor = {
  readonly attestor: Attestor;
  readonly watch: OwnProcessWatch;
  readonly kinship: Kinship;
  /**
   * Learns from the kernel who opened a connection. A process that can be named but not attested (outside the broker's
   * PID namespace, gone already) is a peer all the same: every `attest` of this peer throws the reason, so that its
   * calls can be answered with the reason.
   *
   * @param socketFd - descriptor of a unix socket just accepted; it stays the caller's.
   * @returns a denial when the peer can't be told: NO_IDENTITY for something that is no unix socket, NOT_SERVING when
   *   the broker is out of descriptors. The connection is then to be dropped.
   */
  adopt(socketFd: number): UnixPeer | Denial;
  /**
   * SHA-256, hexadecimal, of what a live process executes, made off the event loop. `undefined` where the process is
   * gone or another, or where its executable can't be read or believed. Never rejects.
   */
  executableSha256(process: ProcessIdentity, uid: number): Promise<string | undefined>;
  /** What the kernel gives out beside peers. The caller closes what it was given; `undefined` when there are none left. */
  readonly descriptors: {
    /** Two stream sockets that are connected with each other. */
    openPair(): readonly [number, number] | undefined;
    /** Another descriptor of what `fd` refers to. */
    duplicate(fd: number): number | undefined;
    /** Whether `fd`, just got, is among the last that the process may have, which are kept for what is being served. */
    isOneOfTheLast(fd: number): boolean;
  };
  /** Ends all watches and the hashing thread. Peers stay open until their holders close them. */
  close(): void;
};

export type UnixAttestorOptions = {
  readonly accounts?: AccountFiles;
  /** `opened`: as on a kernel before 6.5, which tells only the pid of a peer. */
  readonly pidfds?: "of-peer" | "opened";
  /** Of how many peers the `status` is kept open; the others' are opened for each look. */
  readonly statusFilesMax?: number;
};

type Wanted = Parameters<Attestor["attest"]>[1];

type PeerState =
  | (PinnedProcess & { readonly gid: number })
  | { readonly kind: "refused"; readonly denial: Denial }
  | { readonly kind: "closed" };

const UNKNOWN = denial("NO_IDENTITY", "the kernel names no peer for this connection");
const OUTSIDE = denial(
  "NO_IDENTITY",
  "the caller is outside the broker's PID namespace, so that nothing can be known of it; run the broker in the host's",
);
const UNMAPPED = denial(
  "NO_IDENTITY",
  "the caller's user id has no number in the broker's user namespace, so that it can't be told from others",
);
const CHANGED = denial(
  "NO_IDENTITY",
  "the process changed its user or group since it opened this connection: connect anew",
);
/** `SO_PEERCRED` of a socket that has no peer credentials. */
const NO_UID = 0xffff_ffff;
const PATH_SELECTOR = "unix:path:";
/** Attempts for a process whose executable changes between the hashing and the look at the process. */
const DIGEST_ATTEMPTS_MAX = 3;

/**
 * Attests the processes that connect to unix sockets, by what the Linux kernel says of them.
 *
 * @throws BrokerError NOT_SERVING on a system that can't tell who connects: not Linux, older than 5.3, or without a
 *   /proc of its own
 * @see unix(7) SO_PEERCRED, pidfd_open(2), proc(5)
 */
export function createUnixAttestor(options: UnixAttestorOptions = {}): UnixAttestor {
  const host = readHostFacts();
  const libc = openLibc();
  requirePidfds(libc);
  const names = createAccountNames(options.accounts);
  const digests = createExecutableDigests();
  const watch = createProcessWatch(libc, host, names);
  const states = new WeakMap<Peer, PeerState>();
  const files = createStatusFiles(libc, options.statusFilesMax);
  const thisTurn = createTurnMemory<Peer, Evidence>();
  let connections = 0;

  function stateFor(socketFd: number, { pid, uid, gid }: PeerCredentials): PeerState | Denial {
    if (pid <= 0) return { kind: "refused", denial: OUTSIDE };
    if (uid === host.unmappedUid) return { kind: "refused", denial: UNMAPPED };
    const pinned = pinProcess(libc, pid, () => peerPidfd(libc, socketFd, pid, options.pidfds));
    if (pinned.kind === "pinned") return { ...pinned, gid };
    return pinned.code === "NO_IDENTITY" ? { kind: "refused", denial: pinned } : pinned;
  }

  /** The facts of a peer that is alive, is the process that connected, and still has the same user and group. */
  function factsOf(peer: Peer, wanted: Wanted): { readonly process: PinnedProcess; readonly facts: ProcessFacts } {
    const state = states.get(peer);
    if (state === undefined) throw new BrokerError("NO_IDENTITY", "this connection has no peer known to the kernel");
    if (state.kind === "closed") throw new BrokerError("NO_IDENTITY", "the connection is closed");
    if (state.kind === "refused") throw errorOf(state.denial);
    const facts = liveFacts(libc, state, wanted.systemdUnit === true, files);
    if (facts.kind === "denial") throw errorOf(facts);
    // After an exec of a set-id program, the connection may still be in the hands of a user without the new ids.
    if (facts.uid !== peer.uid || facts.gid !== state.gid) throw errorOf(CHANGED);
    return { process: state, facts };
  }

  /** Adds the way to look up the processes above the peer's, once, for the few acts that ask for them. */
  function withAncestors(peer: Peer, evidence: Omit<Evidence, "ancestors">): Evidence {
    let found: readonly ProcessIdentity[] | undefined;
    return {
      ...evidence,
      ancestors() {
        found ??= lookUpAncestors(peer, evidence.process);
        return found;
      },
    };
  }

  /** Between two proofs that the peer is alive, so that it can't be another process that has the pid by now. */
  function lookUpAncestors(peer: Peer, { pid, startTimeTicks }: ProcessIdentity): readonly ProcessIdentity[] {
    const state = states.get(peer);
    if (state?.kind !== "pinned" || hasExited(libc, state.pidfd)) return [];
    const ancestors = ancestorsOf(pid, startTimeTicks, host);
    return hasExited(libc, state.pidfd) ? [] : ancestors;
  }

  const attestor: Attestor = {
    async attest(peer, wanted) {
      const known = wanted.executableDigest ? undefined : thisTurn.get(peer);
      if (known !== undefined) return known;
      const { process, facts } = factsOf(peer, wanted);
      // An executable that would not be believed is not even opened.
      const isDigestMade = wanted.executableDigest && foreignMountsOf(facts, host) === undefined;
      if (!isDigestMade) return thisTurn.keep(peer, withAncestors(peer, evidenceOf(process, facts, host, names)));
      for (let attempt = 0; attempt < DIGEST_ATTEMPTS_MAX; attempt += 1) {
        const digest = await digests.of(peer.pid, peer.uid);
        const { facts: now } = factsOf(peer, wanted);
        if (digest.kind === "failure" || digest.link === now.executableLink) {
          return withAncestors(peer, evidenceOf(process, now, host, names, digest));
        }
      }
      throw new BrokerError("NO_IDENTITY", "the process changes its executable too often to be attested");
    },
  };

  /** Path of what a live process executes, where it can be believed. */
  function pathOf(identity: ProcessIdentity): string | undefined {
    try {
      const found = watch.find(identity.pid);
      if (found === undefined || !sameProcess(found.process, identity)) return undefined;
      const path = [...found.selectors].find((one) => one.startsWith(PATH_SELECTOR));
      return path?.slice(PATH_SELECTOR.length);
    } catch {
      // Out of descriptors: nothing can be told just now.
      return undefined;
    }
  }

  return {
    attestor,
    watch,
    kinship: createKinship(libc, host),
    adopt(socketFd) {
      const credentials = libc.peerCredentials(socketFd);
      if (credentials.kind === "failure" || credentials.uid === NO_UID) return UNKNOWN;
      const { pid, uid, gid } = credentials;
      const state = stateFor(socketFd, credentials);
      if (state.kind === "denial") return state;
      connections += 1;
      const peer: UnixPeer = {
        connectionId: `unix-${connections}`,
        pid,
        uid,
        gid,
        close() {
          thisTurn.forget(peer);
          const held = states.get(peer);
          states.set(peer, { kind: "closed" });
          if (held?.kind !== "pinned") return;
          files.release(held);
          closeSync(held.pidfd);
        },
      };
      states.set(peer, state);
      return peer;
    },
    async executableSha256(identity, uid) {
      if (pathOf(identity) === undefined) return undefined;
      const digest = await digests.of(identity.pid, uid);
      // Alive, and with the same executable, after the file was read: so the file was its executable.
      return digest.kind === "digest" && digest.link === pathOf(identity) ? digest.sha256 : undefined;
    },
    descriptors: {
      openPair() {
        const pair = libc.socketPair();
        return pair.kind === "failure" ? undefined : pair.fds;
      },
      duplicate(fd) {
        const duplicate = libc.duplicate(fd);
        return duplicate.kind === "failure" ? undefined : duplicate.fd;
      },
      isOneOfTheLast: (fd) => isOneOfTheLast(libc, fd),
    },
    close() {
      watch.close();
      digests.close();
    },
  };
}

/**
 * The descriptor that the kernel holds for the peer or, before Linux 6.5, a descriptor opened by the peer's pid.
 * Between connect and accept that pid may have gone to another process of the same user and group; nothing would show
 * this.
 */
function peerPidfd(libc: Libc, socketFd: number, pid: number, source: UnixAttestorOptions["pidfds"]): Pidfd | Failure {
  if (source === "opened") return libc.openPidfd(pid);
  const own = libc.peerPidfd(socketFd);
  return own.kind === "failure" && own.errno === "ENOPROTOOPT" ? libc.openPidfd(pid) : own;
}

function requirePidfds(libc: Libc): void {
  const own = libc.openPidfd(process.pid);
  if (own.kind === "failure") {
    throw new BrokerError(
      "NOT_SERVING",
      "attesting callers on a unix socket needs Linux 5.3 or newer, and pidfd_open",
      {
        detail: own.errno,
      },
    );
  }
  closeSync(own.fd);
}
