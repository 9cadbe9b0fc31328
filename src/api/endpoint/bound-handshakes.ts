import type { Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";

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
  const byAddress = new Map<string, number>();
  let total = 0;

  function count(address: string, by: 1 | -1): number {
    const ofAddress = (byAddress.get(address) ?? 0) + by;
    if (ofAddress === 0) byAddress.delete(address);
    else byAddress.set(address, ofAddress);
    total += by;
    return ofAddress;
  }

  // A connection counts from its beginning to its end, and meanwhile no more once its hands are shaken.
  listener.on("connection", (socket: Socket) => {
    const { remoteAddress: address = "" } = socket;
    const ofAddress = count(address, 1);
    socket.once("close", () => count(address, -1));
    if (ofAddress > max.perAddress || total > max.total) refused(socket);
  });
  listener.on("secureConnection", (socket: TLSSocket) => {
    const { remoteAddress: address = "" } = socket;
    if (socket.destroyed) return;
    count(address, -1);
    socket.once("close", () => count(address, 1));
  });
}
