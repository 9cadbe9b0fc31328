import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Channel, Server, ServerCredentials } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { openChannel } from "../../src/wire/channel.ts";

/** A real gRPC server on a unix socket for one test, and a channel to it; both end with the test. */
export async function serving(add: (server: Server) => void): Promise<{ socket: string; channel: Channel }> {
  const directory = mkdtempSync(join(tmpdir(), "stint-wire-"));
  const socket = join(directory, "test.sock");
  const server = new Server();
  add(server);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  const channel = openChannel(socket);
  onTestFinished(() => {
    channel.close();
    server.forceShutdown();
    rmSync(directory, { recursive: true });
  });
  return { socket, channel };
}
