import type { Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import { createTally } from "../../domain/tally.ts";

/**
 * Bounds the connections of a TCP listener whose hands are not shaken yet, of each address and in all: such a connection is nobody's, and
 * holds a descriptor for as long as a handshake may take.
 *
 * @param refused - is given a connection that is one too many, still open.
 */
export function boundHandshakes(
  listener: Server,
  max: { readonly perAddress: number; readonly total: number },
  refused: (socket: Socket) => void,
): void {
  const underWay = createTally();

  // A connection counts from its beginning to its end, and meanwhile no more once its hands are shaken.
  listener.on("connection", (socket: Socket) => {
    const { remoteAddress: address = "" } = socket;
    const ofAddress = underWay.add(address);
    socket.once("close", () => underWay.remove(address));
    if (ofAddress > max.perAddress || underWay.total() > max.total) refused(socket);
  });
  listener.on("secureConnection", (socket: TLSSocket) => {
    const { remoteAddress: address = "" } = socket;
    if (socket.destroyed) return;
    underWay.remove(address);
    socket.once("close", () => underWay.add(address));
  });
}
