import { JWS_ALGORITHMS } from "../../verify/jws-signature.ts";
import type { Answer } from "./answer.ts";
import { type GuardSettings, scopeOfTool } from "./guard-settings.ts";

/** By which a client that was refused learns who issues tokens for this server. */
export type ProtectedResourceMetadata = {
  readonly resource: string;
  readonly authorization_servers: readonly string[];
  readonly bearer_methods_supported: readonly ["header"];
  readonly scopes_supported: readonly string[];
  readonly authorization_details_types_supported: readonly ["mcp_tool"];
  readonly dpop_signing_alg_values_supported?: readonly string[];
  readonly dpop_bound_access_tokens_required?: true;
  readonly tls_client_certificate_bound_access_tokens?: true;
  readonly resource_name?: string;
};

/** @see RFC 9728 section 2 */
export function resourceMetadataOf(settings: GuardSettings): ProtectedResourceMetadata {
  const { proof, proofKinds } = settings;
  const dpop = proofKinds.includes("dpop");
  return {
    resource: settings.resource,
    authorization_servers: [settings.issuer],
    bearer_methods_supported: ["header"],
    scopes_supported: [...settings.tools.keys()].map(scopeOfTool),
    authorization_details_types_supported: ["mcp_tool"],
    ...(dpop && { dpop_signing_alg_values_supported: JWS_ALGORITHMS }),
    // With another way beside it, DPoP is not what every token must be bound by.
    ...(dpop && proof === "required" && proofKinds.length === 1 && { dpop_bound_access_tokens_required: true }),
    ...(proofKinds.includes("mtls") && { tls_client_certificate_bound_access_tokens: true }),
    ...(settings.resourceName !== undefined && { resource_name: settings.resourceName }),
  };
}

/** Long enough to spare a client the request, short enough that a new tool is found the same hour. */
const MAX_AGE_SECONDS = 600;

/**
 * Answers the request for the metadata, which needs no token.
 *
 * @returns `undefined` for a request of anything else.
 * @see RFC 9728 section 3
 */
export function metadataAnswer(
  settings: GuardSettings,
  { url, method }: Pick<Request, "url" | "method">,
): Answer | undefined {
  if (new URL(url).pathname !== settings.metadataPath) return undefined;
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, headers: new Headers({ allow: "GET, HEAD" }), body: null };
  }
  const headers = new Headers({
    "content-type": "application/json",
    "cache-control": `public, max-age=${MAX_AGE_SECONDS}`,
    // It holds no secret, and a client in a browser has to read it.
    "access-control-allow-origin": "*",
  });
  return { status: 200, headers, body: method === "HEAD" ? null : JSON.stringify(resourceMetadataOf(settings)) };
}
