import { constants } from "node:crypto";
import type { Socket } from "node:net";
import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from "node:tls";
import { invalidField } from "../../domain/errors.ts";
import type { Action } from "../../domain/grant.ts";
import { presentedChain } from "../../verify/presented-chain.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { SYSTEM_CLOCK, type VerifierClock } from "./clock.ts";
import type { VerifiedPeer } from "./verified-peer.ts";
import type { Verifier } from "./verifier-contract.ts";

/** An X.509-SVID and its key, PEM, as `X509Svid.tls()` gives them; the certificate first, then those between it and the bundle. */
export type TlsSvid = { readonly cert: string; readonly key: string };

export type TlsServerOptions<Wrapped extends Server> = {
  /** Follows the broker's feed; its bundles are who is trusted. Closing it is its owner's. */
  readonly verifier: Pick<Verifier, "verifyX509" | "onClosed">;
  /** The server's own; `setSvid` replaces it. */
  readonly svid: TlsSvid;
  /** Makes the server, e.g. `(options) => https.createServer(options, handler)`; of `node:tls`, `node:https` or `node:http2`. */
  readonly create: (options: TlsOptions) => Wrapped;
  /** Protocols to agree on, e.g. `["h2", "http/1.1"]`. Default: the server's own. */
  readonly ALPNProtocols?: readonly string[];
  /** What the verifier's staleness bound for connections is taken from. Default: its loosest. */
  readonly actions?: readonly Action[];
  /** Called for each connection that is refused after its handshake, and dropped. */
  readonly onRefused?: (reason: VerificationError) => void;
  /** Replaced in tests alone. */
  readonly clock?: VerifierClock;
};

export type TlsServer<Wrapped extends Server> = {
  /** As `create` made it; to listen with, and to close. */
  readonly server: Wrapped;
  /**
   * Whoever holds the other end of a connection, verified anew: call it for every request, before anything is done for it.
   * Which of the identities that it gives may do what is the caller's to decide.
   *
   * @param socket - `request.socket`; of HTTP/2, `request.stream.session.socket`.
   * @param options.actions - hold it to the staleness bound of these. Default: the connection's.
   * @throws VerificationError; BrokerError INVALID_FIELD for a socket that is none of this server's
   */
  check(socket: Socket, options?: { readonly actions?: readonly Action[] }): VerifiedPeer;
  /** Shows another SVID to whoever connects from now on. @throws Error of OpenSSL when certificate and key don't fit */
  setSvid(svid: TlsSvid): void;
};

/** A step that has nothing to hide is through in milliseconds; who is slower holds a descriptor of ours for nothing. */
const HANDSHAKE_MS_MAX = 10_000;
/** A timer stands still while a machine is suspended, so the wall clock is asked now and then whether it has come. */
const EXPIRY_LOOK_MS_MAX = 30_000;

const PROTOCOL = "TLSv1.3";

/**
 * A TLS server whose clients are steps, or infrastructure, by their X.509-SVIDs: a connection that brings none, or one that
 * does not verify, is dropped before anything above TLS sees it; one whose step ends is cut with the feed's event, and one
 * whose SVID expires in that second. TLS 1.3 alone; nothing is resumed, since a resumed session shows no certificate.
 *
 * @see X509-SVID section 5, RFC 8446
 * @example
 * const { server, check } = createTlsServer({
 *   verifier,
 *   svid: svid.tls(),
 *   create: (options) => createServer(options, (request, response) => response.end(check(request.socket).spiffeId)),
 * });
 */
export function createTlsServer<Wrapped extends Server>(options: TlsServerOptions<Wrapped>): TlsServer<Wrapped> {
  const { verifier, clock = SYSTEM_CLOCK } = options;
  const server = options.create({
    ...contextOf(options.svid),
    requestCert: true,
    // The judge is the verifier: it holds a chain to its own trust domain's bundle, newest by the feed, where OpenSSL takes
    // whichever authority it was given for whichever name.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_MS_MAX,
    ...(options.ALPNProtocols === undefined ? {} : { ALPNProtocols: [...options.ALPNProtocols] }),
  });
  const defaults = options.actions === undefined ? {} : { actions: options.actions };
  /** Of HTTP/2 one gets a proxy of the socket, which only shows its properties; hence a property, and not a map. */
  const chainKey = Symbol("presented chain");

  function chainOf(socket: Socket): readonly Uint8Array[] {
    const chain: unknown = Reflect.get(socket, chainKey);
    if (Array.isArray(chain)) return chain;
    throw invalidField("socket", "one that this server accepted");
  }

  function admit(socket: TLSSocket): boolean {
    // From here on whatever goes wrong with it is a reason to be rid of it.
    socket.on("error", () => socket.destroy());
    // Once and for all: reading it takes the certificates above the leaf out of the session.
    const chain = presentedChain(socket.getPeerX509Certificate());
    try {
      checkSession(socket);
      const peer = verifier.verifyX509(chain, defaults);
      Object.defineProperty(socket, chainKey, { value: chain });
      cutInTime(socket, peer);
      return true;
    } catch (thrown) {
      socket.destroy();
      if (!(thrown instanceof VerificationError)) throw thrown;
      options.onRefused?.(thrown);
      return false;
    }
  }

  function cutInTime(socket: TLSSocket, peer: VerifiedPeer): void {
    const stopListening = verifier.onClosed(peer, () => socket.destroy());
    const stopWaiting = callAt(clock, peer.expiresAt * 1_000, () => socket.destroy());
    socket.once("close", () => {
      stopListening();
      stopWaiting();
    });
  }

  gate(server, admit);
  return {
    server,
    check: (socket, request = defaults) => verifier.verifyX509(chainOf(socket), request),
    setSvid: (svid) => server.setSecureContext(contextOf(svid)),
  };
}

/** All that `setSecureContext` would set back to its default is said each time. */
function contextOf({ cert, key }: TlsSvid): SecureContextOptions {
  return { cert, key, minVersion: PROTOCOL, maxVersion: PROTOCOL, secureOptions: constants.SSL_OP_NO_TICKET };
}

/**
 * Puts the admission in front of whoever listens for connections whose handshake is over, whenever they began to: what is
 * not admitted is not heard of.
 */
function gate(server: Server, admit: (socket: TLSSocket) => boolean): void {
  const emit: (event: string | symbol, ...values: unknown[]) => boolean = server.emit.bind(server);
  server.emit = (event: string | symbol, ...values: unknown[]): boolean => {
    if (event === "secureConnection" && !admit(values[0] as TLSSocket)) return true;
    return emit(event, ...values);
  };
}

/** Whether the server was made as it was asked to be. */
function checkSession(socket: TLSSocket): void {
  if (socket.getProtocol() !== PROTOCOL || socket.isSessionReused()) {
    throw new VerificationError("CERTIFICATE_INVALID", "the connection is not of TLS 1.3, or was resumed");
  }
}

/** Calls when the wall clock has come to an instant. @returns what gives it up. */
function callAt(clock: VerifierClock, atMs: number, call: () => void): () => void {
  let cancel: () => void = () => undefined;
  const look = () => {
    const leftMs = atMs - clock.wallMs();
    if (leftMs <= 0) call();
    else cancel = clock.schedule(Math.min(leftMs, EXPIRY_LOOK_MS_MAX), look);
  };
  look();
  return () => cancel();
}
