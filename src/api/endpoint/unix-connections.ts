import type { Socket } from "node:net";
import type { Server } from "@grpc/grpc-js";
import { BrokerError, type Denial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Peer } from "../../ports/attestor.ts";
import { createAnswerRefused } from "./answer-refused.ts";
import { filteredSocket, type OpenPair } from "./authority-filter/filtered-socket.ts";
import { type Duplicate, lookAtFirstBytes } from "./authority-filter/look-at-first-bytes.ts";
import { type ConnectedPeer, createConnections, descriptorOf } from "./connections.ts";

/** A peer whose descriptor lives as long as its connection. */
export type UnixPeer = Peer & ConnectedPeer;

export type UnixConnectionsOptions<P extends UnixPeer> = {
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
  /** Asked for each connection that is let in; absent: all are served here. */
  readonly handOver?: HandOver<P>;
};

/**
 * Gives a connection, of which nothing was read, to another process that serves it.
 *
 * @param ended - to be called when that process has no part in the connection any more.
 * @returns `false`, having done nothing, when there is none that could.
 */
export type HandOver<P extends ConnectedPeer> = (socket: Socket, peer: P, ended: () => void) => boolean;

/** Why a connection was dropped: `uid` where it is known. Only who has too many connections is told why. */
export type ConnectionRefusal = {
  readonly reason: "too-many-connections" | "no-peer" | "silent" | "not-accepted";
  readonly uid?: number;
};

export type UnixConnections<P extends UnixPeer> = {
  /** Takes a connection that is paused and was not read from. @returns its peer; `undefined` when it was refused */
  admit(socket: Socket): P | undefined;
  /** Drops a connection, or tells of one that could not be had. */
  refuse(refusal: ConnectionRefusal, socket?: Socket): void;
  /**
   * Who is at the other end of a call: what the kernel said, whatever the call's metadata say.
   *
   * @throws BrokerError NO_IDENTITY when the connection is none of this endpoint's, or closed by now
   */
  peerOf(call: { getPeer(): string }): P;
  /** Serves calls of a connection that was handed over, which the process it was handed to sends on. */
  join(connectionId: string, socket: Socket): void;
  /** Connections open now, and those dropped since the start by reason. */
  connections(): { readonly open: number; readonly refused: Readonly<Record<ConnectionRefusal["reason"], number>> };
  /** Drops every connection that is served here. */
  drop(): void;
};

/** Hands connections of unix sockets to a grpc-js server, each under an id by which a call's peer is found. */
export function createUnixConnections<P extends UnixPeer>(options: UnixConnectionsOptions<P>): UnixConnections<P> {
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

  return {
    admit(socket) {
      // An error of a connection ends that connection only.
      socket.on("error", () => undefined);
      const fd = descriptorOf(socket);
      if (fd !== undefined && options.descriptors.isOneOfTheLast(fd)) {
        refuse({ reason: "not-accepted" }, socket);
        return undefined;
      }
      const peer = fd === undefined ? undefined : options.adopt(fd);
      if (peer === undefined || isDenial(peer)) {
        refuse({ reason: "no-peer" }, socket);
        return undefined;
      }
      if (!connections.enter(peer)) {
        peer.close();
        const isAnswered = answered.take(socket);
        refuse({ reason: "too-many-connections", uid: peer.uid }, isAnswered ? undefined : socket);
        if (isAnswered) servable(socket, answered.serve);
        return undefined;
      }
      const isElsewhere = options.handOver?.(socket, peer, () => connections.leave(peer)) === true;
      if (!isElsewhere) connections.serve(socket, peer);
      return peer;
    },
    refuse,
    peerOf: connections.peerOf,
    join: connections.join,
    connections: () => ({ open: connections.open(), refused: { ...refused } }),
    drop: () => connections.drop(() => true),
  };
}

function isDenial(value: UnixPeer | Denial): value is Denial {
  return "kind" in value && value.kind === "denial";
}
