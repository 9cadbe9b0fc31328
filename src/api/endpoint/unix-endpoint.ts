import { createServer, type Socket } from "node:net";
import { type ChannelOptions, type Server, ServerCredentials } from "@grpc/grpc-js";
import { BrokerError, type Denial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Peer } from "../../ports/attestor.ts";
import { bindSocket, type SocketPlace } from "./socket-path.ts";

/** A peer whose descriptor lives as long as its connection. */
export type ConnectedPeer = Peer & { close(): void };

export type UnixEndpointOptions<P extends ConnectedPeer> = SocketPlace & {
  /** Serves the calls; created with `CONNECTION_OPTIONS`. It is not bound to any address itself. */
  readonly server: Server;
  /** Learns from the kernel who connected. A denial drops the connection. */
  readonly adopt: (socketFd: number) => P | Denial;
  /** For the log. Not called more often than somebody tries to connect. */
  readonly onRefused?: (refusal: ConnectionRefusal) => void;
  readonly connectionsPerUidMax?: number;
  /** How long a connection may stay that says nothing, and one that the broker has ended. */
  readonly silenceMs?: number;
};

/** Why a connection was dropped without a word: `uid` where it is known. */
export type ConnectionRefusal = {
  readonly reason: "too-many-connections" | "no-peer" | "silent" | "not-accepted";
  readonly uid?: number;
};

export type UnixEndpoint<P extends ConnectedPeer> = {
  /**
   * Who is at the other end of a call: what the kernel said, whatever the call's metadata say.
   *
   * @throws BrokerError NO_IDENTITY when the connection is none of this endpoint's, or closed by now
   */
  peerOf(call: { getPeer(): string }): P;
  /** Connections open now, and those dropped since the start by reason. */
  connections(): { readonly open: number; readonly refused: Readonly<Record<ConnectionRefusal["reason"], number>> };
  /** Takes the path away and accepts nobody any more; calls in flight go on. `server.tryShutdown` ends those. */
  stop(): void;
  /** Stops, and drops every connection. */
  close(): void;
};

/** For the grpc-js server behind an endpoint: a connection without a call is closed after a while. */
export const CONNECTION_OPTIONS: ChannelOptions = { "grpc.max_connection_idle_ms": LIMITS.connectionIdleMs };

/** How long a connection may stay before its preface, which a client sends at once, and after the broker has ended it. */
const SILENCE_MS = 20_000;
const PREFACE_BYTES = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;

/**
 * Listens on a unix socket and hands each connection to a grpc-js server, under an id by which a call's peer is found.
 *
 * @throws BrokerError NOT_SERVING when the path can't be had, see `bindSocket`
 */
export async function listenOnUnix<P extends ConnectedPeer>(options: UnixEndpointOptions<P>): Promise<UnixEndpoint<P>> {
  const connectionsPerUidMax = options.connectionsPerUidMax ?? LIMITS.connectionsPerUidMax;
  const silenceMs = options.silenceMs ?? SILENCE_MS;
  const injector = options.server.createConnectionInjector(ServerCredentials.createInsecure());
  const connected = new Map<string, { readonly peer: P; readonly socket: Socket }>();
  const openByUid = new Map<number, number>();
  const refused = { "too-many-connections": 0, "no-peer": 0, silent: 0, "not-accepted": 0 };

  function refuse(refusal: ConnectionRefusal, socket?: Socket): void {
    refused[refusal.reason] += 1;
    socket?.destroy();
    options.onRefused?.(refusal);
  }

  function admit(socket: Socket): void {
    // Whatever breaks a connection breaks that one only.
    socket.on("error", () => undefined);
    const fd = descriptorOf(socket);
    const peer = fd === undefined ? undefined : options.adopt(fd);
    if (peer === undefined || isDenial(peer)) {
      refuse({ reason: "no-peer" }, socket);
      return;
    }
    const open = openByUid.get(peer.uid) ?? 0;
    if (open >= connectionsPerUidMax) {
      peer.close();
      refuse({ reason: "too-many-connections", uid: peer.uid }, socket);
      return;
    }
    openByUid.set(peer.uid, open + 1);
    connected.set(peer.connectionId, { peer, socket });
    limitSilence(socket, silenceMs, () => refuse({ reason: "silent", uid: peer.uid }, socket));
    socket.once("close", () => leave(peer));
    // grpc-js tells a call's handler this address, and nothing else, of the connection it came by.
    Object.defineProperty(socket, "remoteAddress", { value: peer.connectionId });
    injector.injectConnection(socket);
  }

  function leave(peer: P): void {
    connected.delete(peer.connectionId);
    const open = (openByUid.get(peer.uid) ?? 1) - 1;
    if (open === 0) openByUid.delete(peer.uid);
    else openByUid.set(peer.uid, open);
    peer.close();
  }

  const listener = createServer(admit);
  const bound = await bindSocket(listener, options);
  // An accept that failed has cost one caller its connection, and must not cost the others the endpoint.
  listener.on("error", () => refuse({ reason: "not-accepted" }));

  function stop(): void {
    bound.release();
    listener.close();
  }

  return {
    peerOf(call) {
      const found = connected.get(call.getPeer());
      if (found === undefined) throw new BrokerError("NO_IDENTITY", "the connection is closed");
      return found.peer;
    },
    connections: () => ({ open: connected.size, refused: { ...refused } }),
    stop,
    close() {
      stop();
      for (const { socket } of [...connected.values()]) socket.destroy();
    },
  };
}

function isDenial(value: ConnectedPeer | Denial): value is Denial {
  return "kind" in value && value.kind === "denial";
}

/** The one place that reaches into Node.js for what it does not show: the number of a socket's descriptor. */
function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}

/** Ends a connection that says nothing, and one that the other end leaves open after this end is closed. */
function limitSilence(socket: Socket, silenceMs: number, onSilent: () => void): void {
  const silence = setTimeout(() => {
    if (socket.bytesRead < PREFACE_BYTES) onSilent();
  }, silenceMs).unref();
  socket.once("finish", () => {
    const linger = setTimeout(() => socket.destroy(), silenceMs).unref();
    socket.once("close", () => clearTimeout(linger));
  });
  socket.once("close", () => clearTimeout(silence));
}
