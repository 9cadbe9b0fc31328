import type { ProcessIdentity } from "../domain/process.ts";
import type { Selector } from "../domain/selector.ts";

/** What an attestor found out about the other end of a connection, at the moment it was asked. */
export type Evidence = {
  readonly selectors: ReadonlySet<Selector>;
  readonly process: ProcessIdentity;
  readonly uid: number;
  /** Whether the process lives in the broker's PID namespace, so that a pid means the same process to both. */
  readonly sharesPids: boolean;
  /**
   * The processes above this one, its parent first, as far as they can be told: none that may be another one with the
   * same pid. Looked up by the first call; empty when the process is gone by then.
   */
  readonly ancestors: () => readonly ProcessIdentity[];
  /** Path of the executable; absent where the path can't be read, or where a mount namespace could forge it. */
  readonly executable?: string;
  /** Kinds of selector that could not be attested, each with the reason, for the log and for readiness. */
  readonly unavailable: readonly { readonly kind: string; readonly reason: string }[];
};

/** The other end of one connection, as the transport holds it. Only the attestor looks inside. */
export type Peer = {
  readonly connectionId: string;
  /** `uid` and `pid` are what the kernel said when the connection was made. */
  readonly uid: number;
  readonly pid: number;
};

/**
 * Turns a connection into evidence. Asked anew for every act, since a connection outlives an exec, and a descriptor can
 * be handed on. Acts that came in together, in one turn of the event loop, may be answered from one look at the
 * process.
 */
export type Attestor = {
  /**
   * @param wanted.executableDigest - hash the executable too; costs a read of the file.
   * @param wanted.systemdUnit - the systemd service too; costs another look at /proc.
   * @throws BrokerError NO_IDENTITY when the process is gone, replaced, or can't be told from another
   */
  attest(peer: Peer, wanted: { readonly executableDigest: boolean; readonly systemdUnit?: boolean }): Promise<Evidence>;
};

/** Tells when processes end. */
export type ProcessWatch = {
  /**
   * Calls `gone` once, within a second after the process is gone (a zombie is gone), or soon if it is gone already.
   *
   * @returns a function that ends the watch.
   */
  watch(process: ProcessIdentity, gone: () => void): () => void;
  /**
   * Facts of a live process by its pid in the PID namespace of whoever watches over its machine; `undefined` when there is
   * none, or none that is known there.
   *
   * @param beside - a process of that machine.
   */
  find(
    pid: number,
    beside: ProcessIdentity,
  ): { readonly process: ProcessIdentity; readonly uid: number; readonly selectors: ReadonlySet<Selector> } | undefined;
};
