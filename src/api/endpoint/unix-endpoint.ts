import { createServer } from "node:net";
import { bindSocket, type SocketPlace } from "./socket-path.ts";
import {
  createUnixConnections,
  type UnixConnections,
  type UnixConnectionsOptions,
  type UnixPeer,
} from "./unix-connections.ts";

export type UnixEndpointOptions<P extends UnixPeer> = SocketPlace & UnixConnectionsOptions<P>;

export type UnixEndpoint<P extends UnixPeer> = Pick<UnixConnections<P>, "peerOf" | "connections" | "join"> & {
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
  const connections = createUnixConnections(options);
  const listener = createServer({ pauseOnConnect: true }, (socket) => void connections.admit(socket));
  const bound = await bindSocket(listener, options);
  // An accept that failed has cost one caller its connection, and must not cost the others the endpoint.
  listener.on("error", () => connections.refuse({ reason: "not-accepted" }));

  function stop(): void {
    bound.release();
    listener.close();
  }

  return {
    peerOf: connections.peerOf,
    connections: connections.connections,
    join: connections.join,
    stop,
    close() {
      stop();
      connections.drop();
    },
  };
}
