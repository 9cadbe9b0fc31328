import { constants } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import { createSecureContext, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import type { Server } from "@grpc/grpc-js";
import { BrokerError, type Denial, isDenial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { SpiffeId } from "../../domain/spiffe-id.ts";
import { microsOf, type UnixSeconds } from "../../domain/time.ts";
import type { Peer } from "../../ports/attestor.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import { presentedChain } from "../../verify/presented-chain.ts";
import { createAnswerRefused } from "./answer-refused.ts";
import { boundHandshakes } from "./bound-handshakes.ts";
import { type ConnectedPeer, createConnections, descriptorOf } from "./connections.ts";
import { bindSocket, type SocketPlace } from "./socket-path.ts";
import { type Address, bindAddress, failureText, HANDSHAKE } from "./tls-address.ts";

/** Whose X.509-SVID a connection was opened with. */
export type TlsIdentity = {
  readonly spiffeId: SpiffeId;
  /** Lower-case hexadecimal, as the ledger has it. */
  readonly serialNumber: string;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
};

export type TlsPeer = Peer &
  ConnectedPeer & {
    readonly identity: TlsIdentity;
    /** The process by the kernel's word; known over a unix socket only. */
    readonly process: Peer | undefined;
    /** Whether `identify` still accepts the peer's chain. */
    isStillBelieved(): boolean;
  };

/** What the endpoint shows of itself, and whom it believes, both as of now. PEM. */
export type TlsMaterial = {
  readonly certificateChain: string;
  readonly privateKey: string;
  /** CA certificates of every trust domain whose members may connect. Which CA a chain ends in is checked later. */
  readonly authorities: readonly string[];
};

export type TlsEndpointOptions = {
  readonly place: SocketPlace | Address;
  readonly server: Server;
  /** `undefined` while the endpoint has nothing to show: handshakes fail then. */
  readonly material: () => TlsMaterial | undefined;
  /** Calls when `material`, or whom `identify` believes, has changed. Peers who are still believed stay connected. */
  readonly onMaterialChange: (changed: () => void) => Cancel;
  /**
   * Says whose chain this is, leaf first.
   *
   * @throws an error that says why the chain is nobody's
   */
  readonly identify: (chain: readonly Uint8Array[]) => TlsIdentity;
  /** Over a unix socket: learns from the kernel who connected. */
  readonly adopt: (socketFd: number) => (Peer & ConnectedPeer) | Denial;
  readonly clock: Clock;
  readonly onRefused?: (refusal: TlsRefusal) => void;
  readonly connectionsPerIdentityMax?: number;
  readonly silenceMs?: number;
  /** Over TCP: connections whose hands are not shaken yet. */
  readonly handshakesMax?: { readonly perAddress: number; readonly total: number };
};

/** Why a connection was dropped: `detail` for the log, `spiffeId` where it is known. */
export type TlsRefusal = {
  readonly reason: "handshake" | "certificate" | "no-peer" | "too-many-connections" | "silent" | "not-accepted";
  readonly detail?: string;
  readonly spiffeId?: string;
};

export type TlsEndpoint = {
  /** @throws BrokerError NO_IDENTITY when the connection is none of this endpoint's, or closed by now */
  peerOf(call: { getPeer(): string }): TlsPeer;
  /** The TLS peer behind a peer that was handed on without its TLS identity. */
  tlsPeerOf(peer: Peer): TlsPeer;
  connections(): { readonly open: number };
  /** Cuts off the peers that `which` names: their SVID was revoked, or is believed no more. */
  drop(which: (identity: TlsIdentity) => boolean): void;
  /** The port that a TCP endpoint was bound to. */
  readonly port: number | undefined;
  stop(): void;
  close(): void;
};

let connectionNumber = 0;

/**
 * Listens with mutual TLS 1.3 and hands each connection whose client has proved an X.509-SVID to a grpc-js server. No
 * session is resumed: a resumed session would skip the look at the certificate. A connection ends with its client's
 * SVID.
 *
 * @throws BrokerError NOT_SERVING when the address can't be had
 * @see SPIFFE Broker Endpoint sections 3 and 5, X509-SVID section 5
 */
export async function listenOnTls(options: TlsEndpointOptions): Promise<TlsEndpoint> {
  const { clock, place } = options;
  const listener = createServer({ ...contextOf(options.material()), ...MUTUAL_HANDSHAKE });
  const expiries = new Map<string, Cancel>();
  const perPartyMax = options.connectionsPerIdentityMax ?? LIMITS.connectionsPerUidMax;
  const answered = createAnswerRefused(
    new BrokerError("LIMIT_EXCEEDED", `too many connections of this SPIFFE ID: at most ${perPartyMax}`),
  );
  const connections = createConnections<TlsPeer>({
    server: options.server,
    partyOf: ({ identity }) => identity.spiffeId,
    perPartyMax,
    onSilent: ({ identity }) => refuse({ reason: "silent", spiffeId: identity.spiffeId }),
    ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
  });

  function refuse(refusal: TlsRefusal, socket?: Socket): void {
    socket?.destroy();
    options.onRefused?.(refusal);
  }

  function admit(socket: TLSSocket): void {
    socket.on("error", () => undefined);
    const chain = presentedChain(socket.getPeerX509Certificate());
    let identity: TlsIdentity;
    try {
      identity = options.identify(chain);
    } catch (thrown) {
      refuse({ reason: "certificate", detail: failureText(thrown) }, socket);
      return;
    }
    const process = "path" in place ? adopted(socket) : undefined;
    if (process !== undefined && isDenial(process)) {
      refuse({ reason: "no-peer", detail: process.message, spiffeId: identity.spiffeId }, socket);
      return;
    }
    connectionNumber += 1;
    const connectionId = `tls-${connectionNumber}`;
    const peer: TlsPeer = {
      connectionId,
      uid: process?.uid ?? UNKNOWN,
      pid: process?.pid ?? UNKNOWN,
      identity,
      process,
      isStillBelieved: () => isBelieved(chain),
      close() {
        process?.close();
        expiries.get(connectionId)?.();
        expiries.delete(connectionId);
      },
    };
    const leftMs = (microsOf(identity.expiresAt) - clock.now()) / 1_000;
    expiries.set(
      connectionId,
      clock.schedule(Math.max(0, leftMs), () => connections.drop((one) => one.connectionId === connectionId)),
    );
    if (connections.admit(socket, peer)) return;
    peer.close();
    const isAnswered = answered.take(socket);
    refuse({ reason: "too-many-connections", spiffeId: identity.spiffeId }, isAnswered ? undefined : socket);
    if (isAnswered) answered.serve(socket);
  }

  function isBelieved(chain: readonly Uint8Array[]): boolean {
    try {
      options.identify(chain);
      return true;
    } catch {
      return false;
    }
  }

  /** New connections are shown the new material; open connections stay only if they would be let in again. */
  function renew(): void {
    listener.setSecureContext(contextOf(options.material()));
    connections.drop((peer) => !peer.isStillBelieved());
  }

  function adopted(socket: TLSSocket): (Peer & ConnectedPeer) | Denial {
    const fd = descriptorOf(socket);
    return fd === undefined ? NO_DESCRIPTOR : options.adopt(fd);
  }

  if (!("path" in place)) {
    boundHandshakes(listener, options.handshakesMax ?? HANDSHAKES_MAX, (socket) =>
      refuse({ reason: "too-many-connections", detail: "before their handshake" }, socket),
    );
  }
  listener.on("secureConnection", admit);
  listener.on("tlsClientError", (error) => refuse({ reason: "handshake", detail: failureText(error) }));
  const stopFollowing = options.onMaterialChange(renew);

  let release: () => void = () => undefined;
  if ("path" in place) {
    ({ release } = await bindSocket(listener, place));
  } else {
    await bindAddress(listener, place);
  }
  listener.on("error", (error) => refuse({ reason: "not-accepted", detail: failureText(error) }));

  function stop(): void {
    stopFollowing();
    release();
    listener.close();
  }

  return {
    peerOf: connections.peerOf,
    tlsPeerOf: ({ connectionId }) => connections.peerOf({ getPeer: () => connectionId }),
    connections: () => ({ open: connections.open() }),
    drop: (which) => connections.drop(({ identity }) => which(identity)),
    port: "path" in place ? undefined : (listener.address() as AddressInfo).port,
    stop,
    close() {
      stop();
      connections.drop(() => true);
    },
  };
}

/** Many runtimes may come from one address, and all at once. */
const HANDSHAKES_MAX = { perAddress: 256, total: 1_024 };

/** Stands for the uid and pid of a peer over a network, where nobody sees the process. */
const UNKNOWN = -1;

const NO_DESCRIPTOR: Denial = {
  kind: "denial",
  code: "NOT_SERVING",
  message: "the connection shows no descriptor",
  metadata: {},
};

const MUTUAL_HANDSHAKE = { ...HANDSHAKE, requestCert: true, rejectUnauthorized: true };

function contextOf(material: TlsMaterial | undefined): SecureContextOptions {
  const shown =
    material === undefined
      ? {}
      : { cert: material.certificateChain, key: material.privateKey, ca: [...material.authorities] };
  const context: SecureContextOptions = {
    ...shown,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    secureOptions: constants.SSL_OP_NO_TICKET,
    sessionIdContext: "stint",
  };
  // Thrown here, the error names what is wrong with the material; thrown by the server, it would end the process.
  createSecureContext(context);
  return context;
}
