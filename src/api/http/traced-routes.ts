import { Hono } from "hono";
import { matchedRoutes } from "hono/route";
import type { ServedOutcome, Tracing } from "../../ports/tracing.ts";

const EVERYTHING = "/*";

/** The routes, each answer of which is a span. A path that is no route is not told of: it could be any text. */
export function tracedRoutes(routes: Hono, tracing: Tracing): Hono {
  const traced = new Hono();
  traced.use(EVERYTHING, async (context, next) => {
    const { method } = context.req;
    const route = matchedRoutes(context)
      .map(({ path }) => path)
      .findLast((path) => path !== EVERYTHING);
    const traceparent = context.req.header("traceparent");
    await tracing.served(
      {
        protocol: "http",
        method,
        name: route === undefined ? method : `${method} ${route}`,
        ...(route !== undefined && { route }),
        ...(traceparent !== undefined && { traceparent }),
      },
      async () => {
        await next();
        return context.res.status;
      },
      (ended) => outcomeOf("thrown" in ended ? INTERNAL : ended.value),
    );
  });
  return traced.route("/", routes);
}

const INTERNAL = 500;

/** What the server says of itself, and not of the request. RFC 9110 section 15.6 */
function outcomeOf(status: number): ServedOutcome {
  return { status, isFault: status >= INTERNAL };
}
