import type { Channel } from "@grpc/grpc-js";
import type { RuntimeSvid } from "../sdk/runtime/newest-svid.ts";
import { openTlsChannel } from "../wire/channel.ts";

/** The connection to the broker, replaced as the node's X.509-SVID is. */
export type Upstream = {
  /** The newest. @throws StintError where the node has no SVID, and none is to be had */
  channel(): Promise<Channel>;
  /** Calls with every further connection; until its SVID ends, the one before it goes on with what is under way. */
  onReplaced(replaced: () => void): void;
  close(): void;
};

/** A broker that a cable or a firewall took away says nothing; what waits for it is to be told. */
const ALIVE = { "grpc.keepalive_time_ms": 5_000, "grpc.keepalive_timeout_ms": 5_000 } as const;

/** How often it is asked again: nodes are many, and come back together. */
export const AGAIN_AFTER = { minMs: 100, maxMs: 2_000 } as const;

/** @param endpoint - `tcp://host:port` of the broker's `nodes.listen`. */
export function keepUpstream(endpoint: string, svid: RuntimeSvid): Upstream {
  const listeners: (() => void)[] = [];
  let newest: Channel | undefined;
  let last: Channel | undefined;
  let isClosed = false;

  svid.onChange((next) => {
    if (isClosed) return;
    // The SVID of the one before the last has ended by now, and the broker has dropped its connection.
    last?.close();
    last = newest;
    newest = openTlsChannel(endpoint, next, ALIVE);
    for (const replaced of listeners) replaced();
  });

  return {
    async channel() {
      const present = await svid.current();
      newest ??= openTlsChannel(endpoint, present, ALIVE);
      return newest;
    },
    onReplaced: (replaced) => void listeners.push(replaced),
    close() {
      isClosed = true;
      last?.close();
      newest?.close();
    },
  };
}
