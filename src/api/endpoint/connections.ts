import type { Socket } from "node:net";
import { type ChannelOptions, type Server, ServerCredentials } from "@grpc/grpc-js";
import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { createTally } from "../../domain/tally.ts";

/** Who is at the other end, for as long as the connection lasts. */
export type ConnectedPeer = {
  readonly connectionId: string;
  /** Called when the connection ends. */
  close(): void;
};

/** Connections that are handed to a grpc-js server, each under an id by which a call's peer is found. */
export type Connections<P extends ConnectedPeer> = {
  /** Takes a connection. Returns `false`, and does nothing, when the party has as many connections as it may. */
  admit(socket: Socket, peer: P): boolean;
  /** Counts a connection that is served elsewhere, until `leave`. Returns `false` as `admit` does. */
  enter(peer: P): boolean;
  /** Serves a connection that was counted. */
  serve(socket: Socket, peer: P): void;
  /** Serves a socket by which calls come of a connection that is served elsewhere; without that connection, it is cut off. */
  join(connectionId: string, socket: Socket): void;
  leave(peer: P): void;
  /** @throws BrokerError NO_IDENTITY when the connection is none of these, or closed by now */
  peerOf(call: { getPeer(): string }): P;
  open(): number;
  /** Cuts off the peers that `which` names. */
  drop(which: (peer: P) => boolean): void;
};

/** For the grpc-js server behind an endpoint: a connection without a call is closed after a while. */
export const CONNECTION_OPTIONS: ChannelOptions = { "grpc.max_connection_idle_ms": LIMITS.connectionIdleMs };

/** How long a connection may stay without its preface, which a client sends at once, or after the broker ended it. */
const SILENCE_MS = 20_000;
const PREFACE_BYTES = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;

/**
 * Gives on, at once or later, the socket that is to be served for a client's, the same or another, and how many bytes of the client
 * were heard by other means than that socket.
 */
export type Prepare = (socket: Socket, serve: (socket: Socket, said: number) => void) => void;

const AS_IT_IS: Prepare = (socket, serve) => serve(socket, 0);

export function createConnections<P extends ConnectedPeer>(options: {
  /** Serves the calls; created with `CONNECTION_OPTIONS`. The server is not bound to any address itself. */
  readonly server: Server;
  /** The party that a peer belongs to: its connections are counted together. */
  readonly partyOf: (peer: P) => string;
  readonly perPartyMax: number;
  /** Called for a connection that says nothing, just before that connection is cut off. */
  readonly onSilent: (peer: P) => void;
  readonly silenceMs?: number;
  /** A connection that is not given on is one that says nothing. */
  readonly prepare?: Prepare;
}): Connections<P> {
  const { partyOf, silenceMs = SILENCE_MS, prepare = AS_IT_IS } = options;
  const injector = options.server.createConnectionInjector(ServerCredentials.createInsecure());
  const connected = new Map<string, { readonly peer: P; readonly sockets: Set<Socket> }>();
  const open = createTally();

  function enter(peer: P): boolean {
    const party = partyOf(peer);
    if (open.of(party) >= options.perPartyMax) return false;
    open.add(party);
    connected.set(peer.connectionId, { peer, sockets: new Set() });
    return true;
  }

  function leave(peer: P): void {
    const found = connected.get(peer.connectionId);
    if (found === undefined) return;
    connected.delete(peer.connectionId);
    open.remove(partyOf(peer));
    peer.close();
    for (const socket of found.sockets) socket.destroy();
  }

  function serve(socket: Socket, peer: P): void {
    connected.get(peer.connectionId)?.sockets.add(socket);
    let heard = 0;
    limitSilence(socket, silenceMs, () => {
      if (heard + socket.bytesRead >= PREFACE_BYTES) return;
      options.onSilent(peer);
      socket.destroy();
    });
    socket.once("close", () => leave(peer));
    prepare(socket, (served, said) => {
      heard = said;
      if (served !== socket) served.once("close", () => limitLinger(socket, silenceMs));
      inject(served, peer.connectionId);
    });
  }

  /** This address and port are all that grpc-js tells a call's handler of the connection that the call came by. */
  function inject(socket: Socket, connectionId: string): void {
    Object.defineProperty(socket, "remoteAddress", { value: connectionId });
    Object.defineProperty(socket, "remotePort", { value: undefined });
    injector.injectConnection(socket);
  }

  return {
    admit(socket, peer) {
      if (!enter(peer)) return false;
      serve(socket, peer);
      return true;
    },
    enter,
    serve,
    leave,
    join(connectionId, socket) {
      const sockets = connected.get(connectionId)?.sockets;
      if (sockets === undefined) {
        socket.destroy();
        return;
      }
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => void sockets.delete(socket));
      // Node.js' HTTP/2 takes over what reads from the socket, and does not begin to read by itself.
      socket.read(0);
      inject(socket, connectionId);
    },
    peerOf(call) {
      const found = connected.get(call.getPeer());
      if (found === undefined) throw new BrokerError("NO_IDENTITY", "the connection is closed");
      return found.peer;
    },
    open: () => connected.size,
    drop(which) {
      for (const { peer, sockets } of [...connected.values()]) {
        if (which(peer)) for (const socket of sockets) socket.destroy();
      }
    },
  };
}

/** The one place that reaches for something that Node.js does not show: the number of a socket's descriptor. */
export function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}

/** Looks whether a connection said anything, and ends a connection that the other end leaves open after this end is closed. */
function limitSilence(socket: Socket, silenceMs: number, look: () => void): void {
  const silence = setTimeout(look, silenceMs).unref();
  socket.once("finish", () => limitLinger(socket, silenceMs));
  socket.once("close", () => clearTimeout(silence));
}

function limitLinger(socket: Socket, silenceMs: number): void {
  const linger = setTimeout(() => socket.destroy(), silenceMs).unref();
  socket.once("close", () => clearTimeout(linger));
}
