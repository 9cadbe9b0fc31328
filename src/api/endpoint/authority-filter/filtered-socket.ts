import { Socket } from "node:net";
import { Transform } from "node:stream";
import { createAuthorityFilter } from "./authority-filter.ts";

/** Descriptors of two stream sockets that are connected with each other; `undefined` when the process is out of descriptors. */
export type OpenPair = () => readonly [number, number] | undefined;

/**
 * A socket that stands for a client's, with what the client sends filtered. It is one of the kernel's: around a stream made in
 * JavaScript Node.js' HTTP/2 puts a socket of its own, which hides by which connection a call came.
 *
 * @returns `undefined` when no pair can be had. The client's socket then is as it was.
 */
export function filteredSocket(client: Socket, openPair: OpenPair): Socket | undefined {
  const pair = openPair();
  if (pair === undefined) return undefined;
  const [ours, served] = pair.map((fd) => new Socket({ fd, readable: true, writable: true })) as [Socket, Socket];
  // The orderly end of one side is passed on to the other by the pipes. Whatever else happens ends the client's connection, and with
  // that the rest. Nobody reads on from a client for whom nobody is left to hear: the client would be held up with what it has yet to
  // say, so it is let go as soon as it was sent what there was for it.
  const filtering = filteringStream();
  client.pipe(filtering).pipe(ours).pipe(client);
  for (const stream of [filtering, ours]) stream.on("error", () => client.destroy());
  ours.once("close", () => client.destroySoon());
  client.once("close", () => {
    filtering.destroy();
    ours.destroy();
  });
  served.on("error", () => undefined);
  return served;
}

function filteringStream(): Transform {
  const filter = createAuthorityFilter();
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (const bytes of filter.pass(chunk)) this.push(bytes);
      done();
    },
    flush(done) {
      for (const bytes of filter.end()) this.push(bytes);
      done();
    },
  });
}
