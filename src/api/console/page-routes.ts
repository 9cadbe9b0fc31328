import { type Context, Hono } from "hono";
import type { Asset, Assets } from "./assets.ts";

/** Nothing from elsewhere, no script but ours, and none made of text: what a model has named itself stays text. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const PAGE = {
  "cache-control": "no-cache",
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
};
/** Its name has the digest of its content. */
const FOR_GOOD = { "cache-control": "public, max-age=31536000, immutable" };

/** The console's files. Whatever is no file is a page, and all pages are one program. */
export function pageRoutes({ index, others }: Assets): Hono {
  const routes = new Hono();
  routes.get("/console", (context) => context.redirect("/console/", 308));
  routes.get("/console/*", (context) => {
    const path = context.req.path.slice("/console/".length);
    const asset = others.get(path);
    if (asset !== undefined) return sent(context, asset, FOR_GOOD);
    return path.startsWith("assets/") ? context.notFound() : sent(context, index, PAGE);
  });
  return routes;
}

function sent(context: Context, { mediaType, body, gzipped, etag }: Asset, headers: Record<string, string>): Response {
  const common = { ...headers, etag, vary: "accept-encoding" };
  if (context.req.header("if-none-match") === etag) return context.body(null, 304, common);
  const takesGzip = /\bgzip\b/.test(context.req.header("accept-encoding") ?? "");
  return context.body(takesGzip ? gzipped : body, 200, {
    ...common,
    "content-type": mediaType,
    ...(takesGzip && { "content-encoding": "gzip" }),
  });
}
