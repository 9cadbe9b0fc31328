import { Socket } from "node:net";
import { descriptorOf } from "../connections.ts";
import { howToServe } from "./first-bytes.ts";

/** Another descriptor of what a descriptor refers to; `undefined` when the process is out of descriptors. */
export type Duplicate = (fd: number) => number | undefined;

/**
 * Looks at what a client says first, puts it back, and gives the socket on. What the client says beyond its first frame stays with
 * the kernel: what is put back reaches Node.js' HTTP/2 all at once, and a call that is taken back in the same bytes is then given to
 * grpc-js when its stream is destroyed, for which grpc-js throws.
 *
 * @param socket - is paused, and was not read from.
 * @param then - called once, in a later turn, when enough was said; never for a client that says less, which is let go when it ends.
 * @returns `false`, and does nothing, when there is no descriptor to look by.
 */
export function lookAtFirstBytes(
  socket: Socket,
  duplicate: Duplicate,
  then: (served: "as it is" | "filtered", said: number) => void,
): boolean {
  const own = descriptorOf(socket);
  const fd = own === undefined ? undefined : duplicate(own);
  if (fd === undefined) return false;
  let seen: Buffer = Buffer.alloc(0);
  let answer = howToServe(seen);

  function look(length: number, bytes: Uint8Array): boolean {
    seen = Buffer.concat([seen, bytes.subarray(0, length)]);
    answer = howToServe(seen);
    if (typeof answer === "number") return true;
    looking.destroy();
    return false;
  }
  // A socket of the same connection, for that alone reads no more than it is given room for.
  const looking = new Socket({
    fd,
    onread: { buffer: () => Buffer.alloc(typeof answer === "number" ? answer : 0), callback: look },
  });
  const letGo = () => void looking.destroy();
  socket.once("close", letGo);
  looking.on("error", () => undefined);
  looking.once("close", () => {
    socket.off("close", letGo);
    if (typeof answer === "number") {
      socket.destroy();
    } else if (!socket.destroyed) {
      socket.unshift(seen);
      then(answer, seen.length);
    }
  });
  return true;
}
