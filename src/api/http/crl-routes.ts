import { Hono } from "hono";
import { answerWith, type Document, NO_STORE } from "./document.ts";

/** What is revoked. */
export type CrlRouteFacts = {
  /** The CRLs in force; `der` is signed by the authority it is about. */
  crls(): readonly { readonly authorityId: string; readonly der: Uint8Array }[];
  /** Id of the X.509 authority that signs at present. */
  activeAuthorityId(): string | undefined;
};

/** With a cache in between a verifier hears of a revocation this much later; the CRL itself lasts ten minutes. */
const MAX_AGE_SECONDS = 10;

/**
 * The CRLs for verifiers that hear of revocations by nothing else: the CRL of the authority in force, and by its id
 * that of each authority whose X.509-SVIDs may still be in use.
 *
 * @see RFC 5280 section 5, RFC 2585 section 4
 */
export function crlRoutes(facts: CrlRouteFacts): Hono {
  const routes = new Hono();
  routes.get("/crl.der", (context) => {
    const active = facts.activeAuthorityId();
    const crl = facts.crls().find((one) => one.authorityId === active);
    // Not "404": a CRL that was here a moment ago must not be taken for one that never was.
    if (crl === undefined) return context.text("no CRL is in force\n", 503, NO_STORE);
    return answerWith(context, documentOf(crl.der));
  });
  routes.get("/crl/:file{[0-9a-f]{40}\\.der}", (context) => {
    const authorityId = context.req.param("file").slice(0, -".der".length);
    const crl = facts.crls().find((one) => one.authorityId === authorityId);
    return crl === undefined ? context.notFound() : answerWith(context, documentOf(crl.der));
  });
  return routes;
}

function documentOf(der: Uint8Array): Document {
  return { body: der, mediaType: "application/pkix-crl", maxAgeSeconds: MAX_AGE_SECONDS };
}
