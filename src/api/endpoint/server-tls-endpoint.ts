import type { AddressInfo, Socket } from "node:net";
import { createSecureContext, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import type { Server } from "@grpc/grpc-js";
import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { createTally } from "../../domain/tally.ts";
import type { Peer } from "../../ports/attestor.ts";
import { followContext, type TlsContext } from "../http/tls-context.ts";
import { ANSWERED_MAX, createAnswerRefused } from "./answer-refused.ts";
import { type ConnectedPeer, createConnections } from "./connections.ts";
import { type Address, bindAddress, failureText, HANDSHAKE } from "./tls-address.ts";

/** A peer of whom the connection says nothing but where it comes from. */
export type AnonymousPeer = Peer & ConnectedPeer & { readonly address: string };

export type ServerTlsEndpointOptions = {
  readonly place: Address;
  /** Serves the calls; the server is not bound to any address itself. */
  readonly server: Server;
  /** The certificate that is shown, replaced as it is renewed; connections that are open stay. */
  readonly context: TlsContext;
  readonly onRefused?: (refusal: AnonymousRefusal) => void;
  readonly connectionsMax?: number;
  readonly connectionsPerAddressMax?: number;
  readonly silenceMs?: number;
};

/** Why a connection was dropped: `detail` for the log, `address` where it is known. */
export type AnonymousRefusal = {
  readonly reason: "handshake" | "too-many-connections" | "silent" | "not-accepted" | "certificate";
  readonly detail?: string;
  readonly address?: string;
};

export type ServerTlsEndpoint = {
  /** @throws BrokerError NO_IDENTITY when the connection is none of this endpoint's, or closed by now */
  peerOf(call: { getPeer(): string }): AnonymousPeer;
  connections(): { readonly open: number };
  /** The port that was bound. */
  readonly port: number;
  stop(): void;
  close(): void;
};

/** Anybody may connect, for seconds; more at one time is an attack on the descriptors of the other endpoints. */
const CONNECTIONS_MAX = 1_024;
const UNKNOWN = -1;

let connectionNumber = 0;

/**
 * Listens with TLS 1.3 that shows a certificate and asks for none, and hands every connection to a grpc-js server.
 *
 * @throws BrokerError NOT_SERVING when the address can't be had
 */
export async function listenOnServerTls(options: ServerTlsEndpointOptions): Promise<ServerTlsEndpoint> {
  const context = { ...options.context, current: () => modern(options.context.current()) };
  const listener = createServer({ ...context.current(), ...HANDSHAKE });
  listener.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX;
  const perPartyMax = options.connectionsPerAddressMax ?? LIMITS.connectionsPerUidMax;
  const answered = createAnswerRefused(
    new BrokerError("LIMIT_EXCEEDED", `too many connections of this address: at most ${perPartyMax}`),
  );
  const connections = createConnections<AnonymousPeer>({
    server: options.server,
    partyOf: ({ address }) => address,
    perPartyMax,
    onSilent: ({ address }) => refuse({ reason: "silent", address }),
    ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
  });

  /** All of them, also those that have not shaken hands. */
  const open = createTally();

  function refuse(refusal: AnonymousRefusal, socket?: Socket): void {
    socket?.destroy();
    options.onRefused?.(refusal);
  }

  /** Who shakes no hands for seconds is no peer yet, and must not keep all other addresses out meanwhile. */
  function boundByAddress(socket: Socket): void {
    const { remoteAddress: address = "" } = socket;
    const ofAddress = open.add(address);
    socket.once("close", () => open.remove(address));
    if (ofAddress > perPartyMax + ANSWERED_MAX) refuse({ reason: "too-many-connections", address }, socket);
  }

  function admit(socket: TLSSocket): void {
    socket.on("error", () => undefined);
    const { remoteAddress: address = "" } = socket;
    connectionNumber += 1;
    const connectionId = `attestation-${connectionNumber}`;
    const peer = { connectionId, address, uid: UNKNOWN, pid: UNKNOWN, close: () => undefined };
    if (connections.admit(socket, peer)) return;
    const isAnswered = answered.take(socket);
    refuse({ reason: "too-many-connections", address }, isAnswered ? undefined : socket);
    if (isAnswered) answered.serve(socket);
  }

  listener.on("connection", boundByAddress);
  listener.on("secureConnection", admit);
  listener.on("tlsClientError", (error) => refuse({ reason: "handshake", detail: failureText(error) }));
  listener.on("drop", () => refuse({ reason: "too-many-connections" }));
  const unfollow = followContext(listener, context, (thrown) =>
    refuse({ reason: "certificate", detail: failureText(thrown) }),
  );
  await bindAddress(listener, options.place).catch((thrown: unknown) => {
    unfollow();
    throw thrown;
  });
  listener.on("error", (error) => refuse({ reason: "not-accepted", detail: failureText(error) }));

  function stop(): void {
    unfollow();
    listener.close();
  }

  return {
    peerOf: connections.peerOf,
    connections: () => ({ open: connections.open() }),
    port: (listener.address() as AddressInfo).port,
    stop,
    close() {
      stop();
      connections.drop(() => true);
    },
  };
}

/** Every client of this endpoint is made for it, so none has to be met with less than TLS 1.3. */
function modern(shown: SecureContextOptions): SecureContextOptions {
  const context: SecureContextOptions = { ...shown, minVersion: "TLSv1.3", maxVersion: "TLSv1.3" };
  // Thrown here, the error names what is wrong with the certificate; thrown by the server, it would end the process.
  createSecureContext(context);
  return context;
}
