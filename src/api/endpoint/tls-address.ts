import type { Server, TlsOptions } from "node:tls";
import { BrokerError } from "../../domain/errors.ts";

/** An address of this machine; port 0: any that is free. */
export type Address = { readonly host: string; readonly port: number };

/** A handshake takes milliseconds; one that stalls holds a descriptor. */
const HANDSHAKE_MS = 5_000;
/** As for the unix socket: Node.js's own 511 refuses callers that come all at once. */
const BACKLOG = 4_096;

/** How every TLS endpoint of the broker shakes hands: for gRPC and nothing else, and not for long. */
export const HANDSHAKE = { ALPNProtocols: ["h2"], handshakeTimeout: HANDSHAKE_MS } as const satisfies TlsOptions;

/** @throws BrokerError NOT_SERVING when the address can't be had */
export function bindAddress(listener: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      reject(new BrokerError("NOT_SERVING", `${host}:${port} can't be listened on`, { cause }));
    };
    listener.once("error", fail);
    listener.listen({ host, port, backlog: BACKLOG }, () => {
      listener.removeListener("error", fail);
      resolve();
    });
  });
}

/** What to log of a connection that failed. */
export function failureText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : "not an error";
}
