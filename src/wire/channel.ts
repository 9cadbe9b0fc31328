import { Channel, type ChannelOptions, credentials } from "@grpc/grpc-js";
import { invalidField } from "../domain/errors.ts";

/** A local socket comes back in no time, and a verifier is without its feed until the socket is found again. */
const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 2_000;
/** The broker is trusted with our memory; a preview of 1,000 steps and credentials with their grants is some MiB. */
const RESPONSE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A connection to a socket of the broker; made on the first call, and made again when it breaks.
 *
 * @param endpoint - `unix:///run/stint/workload.sock` as SPIFFE writes it, `unix:…`, or the path alone.
 * @throws BrokerError INVALID_FIELD for any other scheme
 * @see SPIFFE Workload Endpoint section 4
 */
export function openChannel(endpoint: string): Channel {
  return new Channel(`unix:${socketPathOf(endpoint)}`, credentials.createInsecure(), OPTIONS);
}

const OPTIONS: ChannelOptions = {
  "grpc.initial_reconnect_backoff_ms": RECONNECT_MS_MIN,
  "grpc.min_reconnect_backoff_ms": RECONNECT_MS_MIN,
  "grpc.max_reconnect_backoff_ms": RECONNECT_MS_MAX,
  "grpc.max_receive_message_length": RESPONSE_BYTES_MAX,
  "grpc.enable_http_proxy": 0,
  // The channel has a connection of its own, so that closing the channel closes the connection.
  "grpc.use_local_subchannel_pool": 1,
};

/** Who a client of the broker endpoint is, and whom it takes for the broker. All but the id are PEM. */
export type TlsIdentity = {
  readonly certificateChain: string;
  readonly privateKey: string;
  readonly authorities: string;
  /** SPIFFE ID that the server has to prove. */
  readonly serverId: string;
};

/**
 * A connection to the broker endpoint, with mutual TLS. The server is known by its SPIFFE ID, whatever its address.
 *
 * @param endpoint - `unix:///run/stint/broker.sock` or `tcp://host:port`, where the host may be a name.
 * @throws BrokerError INVALID_FIELD for any other endpoint
 * @see SPIFFE Broker Endpoint section 4
 */
export function openTlsChannel(endpoint: string, identity: TlsIdentity, options: ChannelOptions = {}): Channel {
  const { certificateChain, privateKey, authorities, serverId } = identity;
  const secured = credentials.createSsl(
    Buffer.from(authorities),
    Buffer.from(privateKey),
    Buffer.from(certificateChain),
    { checkServerIdentity: isServer(serverId) },
  );
  return new Channel(targetOf(endpoint), secured, { ...OPTIONS, ...UNNAMED, ...options });
}

/** How a client that has nothing to show knows the broker: by its X.509-SVID, or by a certificate for a name. PEM. */
export type ServerTrust =
  | { readonly authorities: string; readonly serverId: string }
  /** Absent `roots`: the public CAs that Node.js knows. Absent `serverName`: the host. */
  | { readonly roots?: string | undefined; readonly serverName?: string | undefined };

/**
 * A connection to the attestation endpoint: TLS in which the server alone shows a certificate.
 *
 * @param address - `host:port`.
 * @throws BrokerError INVALID_FIELD for any other address
 */
export function openServerTlsChannel(address: string, trust: ServerTrust): Channel {
  if (!ADDRESS.test(address)) throw invalidField("address", "host:port");
  const target = `dns:${address}`;
  if ("serverId" in trust) {
    const checked = { checkServerIdentity: isServer(trust.serverId) };
    const secured = credentials.createSsl(Buffer.from(trust.authorities), null, null, checked);
    return new Channel(target, secured, { ...OPTIONS, ...UNNAMED });
  }
  const { roots, serverName } = trust;
  const secured = credentials.createSsl(roots === undefined ? null : Buffer.from(roots));
  return new Channel(target, secured, {
    ...OPTIONS,
    ...(serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName }),
  });
}

/** This name is sent in the handshake, and means nothing there. */
const UNNAMED: ChannelOptions = { "grpc.ssl_target_name_override": "stint" };

/** A broker's X.509-SVID has one alternative name, its SPIFFE ID, so all of the text is compared. */
function isServer(serverId: string) {
  return (_host: string, { subjectaltname }: { readonly subjectaltname?: string | undefined }): Error | undefined =>
    subjectaltname === `URI:${serverId}` ? undefined : new Error("the server is not the broker");
}

const ADDRESS = /^(?:\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$/;
const TCP = "tcp://";

function targetOf(endpoint: string): string {
  const address = endpoint.slice(TCP.length);
  if (endpoint.startsWith(TCP) && ADDRESS.test(address)) return `dns:${address}`;
  if (!endpoint.startsWith("unix:")) throw invalidField("endpoint", "unix:///path or tcp://host:port");
  return `unix:${socketPathOf(endpoint, "endpoint")}`;
}

/**
 * The path of a socket, from any of the forms in which it may be named.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function socketPathOf(endpoint: string, field = "socket"): string {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(endpoint)?.[0];
  const path = scheme === "unix:" ? endpoint.slice(scheme.length).replace(/^\/\/(?=\/)/, "") : endpoint;
  const isPath = path !== "" && !path.startsWith("//") && (scheme === undefined || scheme === "unix:");
  if (!isPath) throw invalidField(field, "the path of a unix socket, or unix:///path");
  return path;
}
