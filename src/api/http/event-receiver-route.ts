import { type Context, Hono } from "hono";
import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { RefusedEvent } from "../../ports/security-events.ts";
import { issuerPrefixes, NO_STORE } from "./document.ts";
import type { FormPaths } from "./request-guard.ts";

export type EventReceiverFacts = {
  /** Takes a security event token; gives the refusal, if it is refused. @throws BrokerError when it is to be sent again */
  receive(token: string): Promise<RefusedEvent | undefined>;
};

const PATH = "/ssf/events";

/** The path that takes events: at the root, and below the issuer's path too, where the issuer has one. */
export function eventReceiverForms(issuer: string): FormPaths {
  const terms = { bytesMax: LIMITS.requestBytesMax, media: "secevent" } as const;
  return new Map(issuerPrefixes(issuer).map((prefix) => [prefix + PATH, terms]));
}

/**
 * Takes the security events of identity providers. Who sends one is not looked at: an event is its issuer's by its signature.
 *
 * @see RFC 8935 section 2
 */
export function eventReceiverRoute({ receive }: EventReceiverFacts): Hono {
  const routes = new Hono();
  routes.post(PATH, async (context) => {
    try {
      const refused = await receive(await context.req.text());
      return refused === undefined ? context.body(null, 202, NO_STORE) : answer(context, refused);
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      return context.text(`${thrown.message}\n`, 503, NO_STORE);
    }
  });
  return routes;
}

function answer(context: Context, { err, description }: RefusedEvent): Response {
  return context.json({ err, description }, 400, { ...NO_STORE, "content-language": "en" });
}
