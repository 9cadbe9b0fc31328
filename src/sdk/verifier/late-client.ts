import type { Channel } from "@grpc/grpc-js";
import { openChannel } from "../../wire/channel.ts";
import { type ClientOf, createClient } from "../../wire/client.ts";

/** A client of one service of the broker, on a connection of its own. */
export type LateClient<Service extends Parameters<typeof createClient>[0]> = {
  /** Connects with the first call: most verifiers never ask. */
  connected(): ClientOf<Service>;
  close(): void;
};

export function lateClient<Service extends Parameters<typeof createClient>[0]>(
  service: Service,
  endpoint: string,
): LateClient<Service> {
  let channel: Channel | undefined;
  let client: ClientOf<Service> | undefined;
  return {
    connected() {
      channel ??= openChannel(endpoint);
      client ??= createClient(service, channel);
      return client;
    },
    close() {
      channel?.close();
    },
  };
}
