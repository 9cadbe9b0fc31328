import type { Server } from "@grpc/grpc-js";
import type { Clock } from "../../ports/clock.ts";

/** What listens, as far as stopping goes. */
export type Listening = { connections(): { readonly open: number }; stop(): void; close(): void };

/** What is in flight may take this long to finish when the broker stops; streams, which never do, are ended then. */
const SHUTDOWN_MS = 2_000;
const LOOK_EVERY_MS = 20;

/**
 * Stops serving: lets nobody in any more, tells every client to go elsewhere, and waits for what is in flight. What takes
 * longer is cut off, which its caller sees as UNAVAILABLE.
 */
export async function stopServing(
  server: Server,
  endpoint: Listening,
  clock: Pick<Clock, "monotonicMs">,
): Promise<void> {
  endpoint.stop();
  // Its own answer comes too early: a connection that is closing counts as closed, whatever is still in flight on it.
  server.tryShutdown(() => undefined);
  await emptied(endpoint, clock.monotonicMs() + SHUTDOWN_MS, clock);
  // Before the sessions, which would tell clients that they had cancelled their calls themselves.
  endpoint.close();
  server.forceShutdown();
}

function emptied(
  endpoint: Pick<Listening, "connections">,
  untilMs: number,
  clock: Pick<Clock, "monotonicMs">,
): Promise<void> {
  return new Promise((resolve) => {
    // Not left to the clock's timers, which let the process end before its time.
    const interval = setInterval(look, LOOK_EVERY_MS);
    function look(): void {
      if (endpoint.connections().open > 0 && clock.monotonicMs() < untilMs) return;
      clearInterval(interval);
      resolve();
    }
    look();
  });
}
