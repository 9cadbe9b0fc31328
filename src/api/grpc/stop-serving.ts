import type { Server } from "@grpc/grpc-js";
import type { Clock } from "../../ports/clock.ts";

/** The part of an endpoint that stopping needs. */
export type Listening = { connections(): { readonly open: number }; stop(): void; close(): void };

/** Calls in flight may take this long to finish when the broker stops; streams, which never finish, are ended then. */
const SHUTDOWN_MS = 2_000;
const LOOK_EVERY_MS = 20;

/**
 * Stops serving: lets nobody in any more, tells every client to go elsewhere, and waits for calls in flight. A call
 * that takes longer is cut off, and its caller sees UNAVAILABLE.
 */
export async function stopServing(
  server: Server,
  endpoint: Listening,
  clock: Pick<Clock, "monotonicMs">,
): Promise<void> {
  endpoint.stop();
  // The callback of `tryShutdown` comes too early: a closing connection counts as closed, whatever is in flight on it.
  server.tryShutdown(() => undefined);
  await emptied(endpoint, clock.monotonicMs() + SHUTDOWN_MS, clock);
  // Closed before the sessions, which would tell clients that they had cancelled their calls themselves.
  endpoint.close();
  server.forceShutdown();
}

function emptied(
  endpoint: Pick<Listening, "connections">,
  untilMs: number,
  clock: Pick<Clock, "monotonicMs">,
): Promise<void> {
  return new Promise((resolve) => {
    // Not left to the clock's timers: these don't keep the process alive, so the process could end before the wait
    // does.
    const interval = setInterval(look, LOOK_EVERY_MS);
    function look(): void {
      if (endpoint.connections().open > 0 && clock.monotonicMs() < untilMs) return;
      clearInterval(interval);
      resolve();
    }
    look();
  });
}
