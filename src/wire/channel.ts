import { Channel, credentials } from "@grpc/grpc-js";
import { invalidField } from "../domain/errors.ts";

/** A local socket comes back in no time, and a verifier is without its feed until it is found again. */
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
  return new Channel(`unix:${socketPathOf(endpoint)}`, credentials.createInsecure(), {
    "grpc.initial_reconnect_backoff_ms": RECONNECT_MS_MIN,
    "grpc.min_reconnect_backoff_ms": RECONNECT_MS_MIN,
    "grpc.max_reconnect_backoff_ms": RECONNECT_MS_MAX,
    "grpc.max_receive_message_length": RESPONSE_BYTES_MAX,
    "grpc.enable_http_proxy": 0,
    // A connection of its own, so that closing the channel closes it.
    "grpc.use_local_subchannel_pool": 1,
  });
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
