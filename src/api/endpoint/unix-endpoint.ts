import { createServer, type Socket } from "node:net";
import type { Server } from "@grpc/grpc-js";
import { BrokerError, type Denial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Peer } from "../../ports/attestor.ts";
import { createAnswerRefused } from "./answer-refused.ts";
import { filteredSocket, type OpenPair } from "./authority-filter/filtered-socket.ts";
import { type Duplicate, lookAtFirstBytes } from "./authority-filter/look-at-first-bytes.ts";
import { type ConnectedPeer, createConnections, descriptorOf } from "./connections.ts";
import { bindSocket, type SocketPlace } from "./socket-path.ts";

/** A peer whose descriptor lives as long as its connection. */
export type UnixPeer = Peer & ConnectedPeer;

export type UnixEndpointOptions<P extends UnixPeer> = SocketPlace & {
  /** Serves the calls; created with `CONNECTION_OPTIONS`. The server is not bound to any address itself. */
  readonly server: Server;
  /** Learns from the kernel who connected. A denial drops the connection. */
  readonly adopt: (socketFd: number) => P | Denial;
  /** For clients that name the socket's path where HTTP/2 wants an authority, see `lookAtFirstBytes` and `filteredSocket`. */
  readonly descriptors: {
    readonly openPair: OpenPair;
    readonly duplicate: Duplicate;
    /** Whether a connection's descriptor is among the last that the process may have, which connections leave to others. */
    isOneOfTheLast(fd: number): boolean;
  };
  /** For the log. Not called more often than somebody tries to connect. */
  readonly onRefused?: (refusal: ConnectionRefusal) => void;
  readonly connectionsPerUidMax?: number;
  /** How long a connection may stay open that says nothing, or that the broker has ended. */
  readonly silenceMs?: number;
};

/** Why a connection was dropped: `uid` where it is known. Only who has too many connections is told why. */
export type ConnectionRefusal = {
  readonly reason: "too-many-connections" | "no-peer" | "silent" | "not-accepted";
  readonly uid?: number;
};

export type UnixEndpoint<P extends UnixPeer> = {
  /**
   * Who is at the other end of a call: what the kernel said, whatever the call's metadata say.
   *
   * @throws BrokerError NO_IDENTITY when the connection is none of this endpoint's, or closed by now
   */
  peerOf(call: { getPeer(): string }): P;
  /** Connections open now, and those dropped since the start by reason. */
  connections(): { readonly open: number; readonly refused: Readonly<Record<ConnectionRefusal["reason"], number>> };
  /** Takes the path away and accepts nobody any more. Calls in flight go on; `server.tryShutdown` ends them. */
  stop(): void;
  /** Stops, and drops every connection. */
  close(): void;
};

/**
 * Listens on a unix socket and hands each connection to a grpc-js server, under an id by which a call's peer is found.
 *
 * @throws BrokerError NOT_SERVING when the path can't be had, see `bindSocket`
 */
export async function listenOnUnix<P extends UnixPeer>(options: UnixEndpointOptions<P>): Promise<UnixEndpoint<P>> {
  const refused = { "too-many-connections": 0, "no-peer": 0, silent: 0, "not-accepted": 0 };
  const connectionsPerUidMax = options.connectionsPerUidMax ?? LIMITS.connectionsPerUidMax;
  const answered = createAnswerRefused(
    new BrokerError("LIMIT_EXCEEDED", `too many connections of this user: at most ${connectionsPerUidMax}`),
  );
  const connections = createConnections<P>({
    server: options.server,
    partyOf: (peer) => String(peer.uid),
    perPartyMax: connectionsPerUidMax,
    onSilent: ({ uid }) => refuse({ reason: "silent", uid }),
    prepare: servable,
    ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
  });

  function refuse(refusal: ConnectionRefusal, socket?: Socket): void {
    refused[refusal.reason] += 1;
    socket?.destroy();
    options.onRefused?.(refusal);
  }

  /** One look at a client's first bytes; only those that may need it are served through a filter. */
  function servable(socket: Socket, serve: (socket: Socket, said: number) => void): void {
    const { openPair, duplicate } = options.descriptors;
    const isLookedAt = lookAtFirstBytes(socket, duplicate, (how, said) => {
      const served = how === "filtered" ? filteredSocket(socket, openPair) : socket;
      if (served === undefined) refuse({ reason: "not-accepted" }, socket);
      else serve(served, said);
    });
    if (!isLookedAt) refuse({ reason: "not-accepted" }, socket);
  }

  function admit(socket: Socket): void {
    // An error of a connection ends that connection only.
    socket.on("error", () => undefined);
    const fd = descriptorOf(socket);
    if (fd !== undefined && options.descriptors.isOneOfTheLast(fd)) {
      refuse({ reason: "not-accepted" }, socket);
      return;
    }
    const peer = fd === undefined ? undefined : options.adopt(fd);
    if (peer === undefined || isDenial(peer)) {
      refuse({ reason: "no-peer" }, socket);
    } else if (!connections.admit(socket, peer)) {
      peer.close();
      const isAnswered = answered.take(socket);
      refuse({ reason: "too-many-connections", uid: peer.uid }, isAnswered ? undefined : socket);
      if (isAnswered) servable(socket, answered.serve);
    }
  }

  const listener = createServer({ pauseOnConnect: true }, admit);
  const bound = await bindSocket(listener, options);
  // An accept that failed has cost one caller its connection, and must not cost the others the endpoint.
  listener.on("error", () => refuse({ reason: "not-accepted" }));

  function stop(): void {
    bound.release();
    listener.close();
  }

  return {
    peerOf: connections.peerOf,
    connections: () => ({ open: connections.open(), refused: { ...refused } }),
    stop,
    close() {
      stop();
      connections.drop(() => true);
    },
  };
}

function isDenial(value: UnixPeer | Denial): value is Denial {
  return "kind" in value && value.kind === "denial";
}
