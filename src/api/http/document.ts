import { createHash } from "node:crypto";
import { type Context, Hono } from "hono";

/** Something that is public and the same for everybody. */
export type Document = {
  readonly body: string | Uint8Array;
  readonly mediaType: string;
  /** How long a cache may give the document out without asking. */
  readonly maxAgeSeconds: number;
};

/**
 * Answers with a document, or with 304 when the client has it already.
 *
 * @see RFC 9110 sections 8.8.3 and 13.1.2
 */
export function answerWith(context: Context, { body, mediaType, maxAgeSeconds }: Document): Response {
  const etag = `"${createHash("sha256").update(body).digest("base64url")}"`;
  const headers = { etag, "cache-control": `public, max-age=${maxAgeSeconds}` };
  const held = context.req
    .header("if-none-match")
    ?.split(",")
    .map((one) => one.trim().replace(/^W\//, ""));
  if (held?.includes(etag) || held?.includes("*")) return context.body(null, 304, headers);
  return context.body(typeof body === "string" ? body : Uint8Array.from(body), 200, {
    ...headers,
    "content-type": mediaType,
  });
}

/** An answer that no cache is to keep. */
export const NO_STORE = { "cache-control": "no-store" };
/** The same in the words of OAuth, also for caches of HTTP/1.0. RFC 6749 section 5.1 */
export const NO_STORE_PRAGMA = { ...NO_STORE, pragma: "no-cache" };

/** Below what routes are: nothing, and the issuer's path where the issuer has one. */
export function issuerPrefixes(issuer: string): readonly string[] {
  const { pathname } = new URL(issuer);
  return pathname === "/" ? [""] : ["", pathname];
}

/**
 * Puts routes at the root, and below the issuer's path where the issuer has one: verifiers follow the issuer's URL, and
 * a proxy may have taken the path away.
 */
export function belowIssuer(issuer: string, ...all: readonly Hono[]): Hono {
  const routes = new Hono();
  for (const one of all) routes.route("/", one);
  const placed = new Hono();
  for (const prefix of issuerPrefixes(issuer)) placed.route(prefix === "" ? "/" : prefix, routes);
  return placed;
}
