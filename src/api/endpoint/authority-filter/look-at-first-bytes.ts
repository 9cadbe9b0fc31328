import type { Socket } from "node:net";
import { howToServe } from "./first-bytes.ts";

/**
 * Looks at what a client says first, puts it back, and gives the socket on.
 *
 * @param then - called once, in a later turn, when enough was said; never for a client that says less.
 */
export function lookAtFirstBytes(socket: Socket, then: (served: "as it is" | "filtered") => void): void {
  let seen: Buffer = Buffer.alloc(0);

  function look(chunk: Buffer): void {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const answer = howToServe(seen);
    if (answer === "more") return;
    socket.off("data", look);
    socket.pause();
    socket.unshift(seen);
    then(answer);
  }
  socket.on("data", look);
}
