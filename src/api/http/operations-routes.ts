import { Hono } from "hono";
import { NO_STORE } from "./document.ts";

/** The state of the broker. */
export type OperationsFacts = {
  /** Whether the broker issues, and if not, every reason why; and what wants to be mended all the same. */
  readiness(): {
    readonly ready: boolean;
    readonly reasons: readonly string[];
    readonly warnings: readonly string[];
  };
  readonly metrics: {
    /** Media type of what `metrics` gives. */
    readonly contentType: string;
    metrics(): Promise<string>;
  };
};

/**
 * Health and metrics, for a listener of their own: they say more of the inside than a verifier has to know.
 *
 * `/livez` answers as long as the event loop turns; a broker that can't issue is alive, and must not be restarted for
 * that reason.
 */
export function operationsRoutes(facts: OperationsFacts): Hono {
  const routes = new Hono();
  routes.get("/livez", (context) => context.json({ live: true }, 200, NO_STORE));
  routes.get("/readyz", (context) => {
    const { ready, reasons, warnings } = facts.readiness();
    return context.json({ ready, reasons, warnings }, ready ? 200 : 503, NO_STORE);
  });
  routes.get("/metrics", async (context) =>
    context.body(await facts.metrics.metrics(), 200, { ...NO_STORE, "content-type": facts.metrics.contentType }),
  );
  return routes;
}
