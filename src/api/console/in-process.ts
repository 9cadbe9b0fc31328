import { duplexPair } from "node:stream";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Server, ServerCredentials } from "@grpc/grpc-js";

/**
 * Calls a grpc-js server of this process, over connections that no socket leads to: whoever calls is who this process says.
 *
 * @param server - not bound to any address.
 */
export function inProcess(server: Server): Transport {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return createGrpcTransport({
    baseUrl: "http://stintd.invalid",
    // Nothing is sent over a network.
    acceptCompression: [],
    nodeOptions: {
      createConnection() {
        const [near, far] = duplexPair();
        injector.injectConnection(far);
        return near;
      },
    },
  });
}
