import { Hono } from "hono";
import { BrokerError } from "../../domain/errors.ts";
import { STATUS_LIST_TTL_SECONDS } from "../../domain/status-list.ts";
import { answerWith, NO_STORE } from "./document.ts";

export type StatusRouteFacts = {
  /** The status list token of a list; `undefined` for one that there is not. @throws BrokerError */
  token(list: string): Promise<string | undefined>;
};

const MEDIA_TYPE = "application/statuslist+jwt";

/**
 * The status lists, for verifiers that hear of revocations by nothing else.
 *
 * @see draft-ietf-oauth-status-list section 8
 */
export function statusRoutes(facts: StatusRouteFacts): Hono {
  const routes = new Hono();
  routes.get("/status/:list", async (context) => {
    try {
      const body = await facts.token(context.req.param("list"));
      if (body === undefined) return context.text("no such status list\n", 404, NO_STORE);
      // Pages in browsers verify too, and there is nothing here that is not for everybody. Section 8.1
      context.header("access-control-allow-origin", "*");
      return answerWith(context, { body, mediaType: MEDIA_TYPE, maxAgeSeconds: STATUS_LIST_TTL_SECONDS });
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      return context.text(`${thrown.message}\n`, 503, NO_STORE);
    }
  });
  return routes;
}
