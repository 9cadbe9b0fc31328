import { once } from "node:events";
import { connect } from "node:net";
import process from "node:process";
import { GREETING } from "./raw-http2.ts";

// A client with so many connections, each of which greets and says nothing more: `node idle-child.ts <socket> <count>`.
// It says once all of them are open, and how many of them the broker has closed whenever it is asked by a line.

const [path = "", count] = process.argv.slice(2);
/** The backlog of a socket is short; a client that is refused there would come again. */
const AT_ONCE = 64;
let closed = 0;
for (let opened = 0; opened < Number(count); opened += AT_ONCE) {
  const sockets = Array.from({ length: Math.min(AT_ONCE, Number(count) - opened) }, () => {
    const socket = connect({ path }).on("error", () => undefined);
    for (const bytes of GREETING) socket.write(bytes);
    return socket.once("close", () => {
      closed += 1;
    });
  });
  // The broker's greeting: it has taken the connection.
  await Promise.all(sockets.map((socket) => once(socket, "data")));
  for (const socket of sockets) socket.resume();
}
process.stdout.write("open\n");
process.stdin.on("data", () => process.stdout.write(`${closed}\n`));
