import type { ClientHttp2Stream } from "node:http2";
import { duplexPair } from "node:stream";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type Server, ServerCredentials } from "@grpc/grpc-js";

/** Nobody's address: connections are made here. */
const NOWHERE = "http://stintd.invalid";

/**
 * Calls a grpc-js server of this process, over connections that no socket leads to: whoever calls is who this process says.
 *
 * @param server - not bound to any address.
 */
export function inProcess(server: Server): Transport {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return createGrpcTransport({
    baseUrl: NOWHERE,
    // Nothing is sent over a network.
    acceptCompression: [],
    sessionManager: new ReadingFromTheStart(NOWHERE, undefined, {
      createConnection() {
        const [near, far] = duplexPair();
        injector.injectConnection(far);
        return near;
      },
    }),
  });
}

/**
 * Begins to read an answer before anything of it has come. connect-node 2.3 begins when it has seen the answer's head; where all of the answer has
 * come by then, as on a busy machine, Node.js takes the stream, which is closed, for one that was broken off, and a call that was answered fails by
 * "Premature close".
 */
class ReadingFromTheStart extends Http2SessionManager {
  override async request(...asked: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const stream = await super.request(...asked);
    const chunks = stream[Symbol.asyncIterator]();
    let first: ReturnType<typeof chunks.next> | undefined = chunks.next();
    // Whoever reads is told.
    first.catch(() => undefined);
    const next = () => {
      const chunk = first ?? chunks.next();
      first = undefined;
      return chunk;
    };
    return Object.assign(stream, { [Symbol.asyncIterator]: () => ({ next }) });
  }
}
