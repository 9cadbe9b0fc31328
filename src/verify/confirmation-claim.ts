import { bytesOfBase64url } from "../domain/base64url.ts";
import type { Confirmation } from "../domain/confirmation.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import { claimsInvalid } from "./step-claims.ts";
import { VerificationError } from "./verification-error.ts";

/**
 * What the presenter of a token has proved to possess, SHA-256 in base64url: the certificate of its TLS connection,
 * over which any token may come; or the key of its DPoP proof, with which only a token that is bound to this key may
 * come.
 */
export type Possession = {
  readonly "x5t#S256"?: string;
  readonly jkt?: string;
};

const METHODS = ["x5t#S256", "jkt"] as const;
const SHA256_BYTES = 32;

/**
 * Checks that the presenter possesses what a token is bound to. A `cnf` of an unknown kind, or of several kinds, is
 * refused: the possession that it asks for would go unproved.
 *
 * @returns what the token is bound to; `undefined` for a bearer token.
 * @throws VerificationError CLAIMS_INVALID, PROOF_REQUIRED (metadata `proof`) or PROOF_MISMATCH
 * @see RFC 7800 section 3.1, RFC 8705 section 3, RFC 9449 sections 6.1 and 7.1
 */
export function confirmationOf(claims: JsonObject, presented: Possession): Confirmation | undefined {
  const confirmation = Object.hasOwn(claims, "cnf") ? confirmationIn(claims["cnf"]) : undefined;
  if (presented.jkt !== undefined && !isBoundTo(confirmation, "jkt", presented.jkt)) {
    throw new VerificationError("PROOF_MISMATCH", "the token is not bound to the key of the proof");
  }
  if (confirmation === undefined || "jkt" in confirmation) {
    if (confirmation !== undefined && presented.jkt === undefined) throw proofRequired("dpop");
    return confirmation;
  }
  const certificate = presented["x5t#S256"];
  if (certificate === undefined) throw proofRequired("mtls");
  if (!isBoundTo(confirmation, "x5t#S256", certificate)) {
    throw new VerificationError("PROOF_MISMATCH", "the token is not bound to the certificate of the connection");
  }
  return confirmation;
}

function confirmationIn(cnf: unknown): Confirmation {
  const members = isObject(cnf) ? Object.entries(cnf) : [];
  const [method, digest] = members[0] ?? [];
  const known = METHODS.find((name) => name === method);
  const isDigest = typeof digest === "string" && bytesOfBase64url(digest)?.length === SHA256_BYTES;
  if (members.length !== 1 || known === undefined || !isDigest) {
    throw claimsInvalid("cnf with x5t#S256 or jkt, and nothing else");
  }
  return known === "jkt" ? { jkt: digest } : { "x5t#S256": digest };
}

function isBoundTo(confirmation: Confirmation | undefined, method: "x5t#S256" | "jkt", digest: string): boolean {
  const bound: Possession = confirmation ?? {};
  return bound[method] === digest;
}

/** @param proof - the proof that would do: `dpop`, `mtls`, or `any`. */
export function proofRequired(proof: "dpop" | "mtls" | "any"): VerificationError {
  return new VerificationError("PROOF_REQUIRED", PROOFS[proof], { proof });
}

const PROOFS = {
  dpop: "the token is bound to a key: a DPoP proof of it is required",
  mtls: "the token is bound to a certificate: a connection with it is required",
  any: "a token that is bound to a key, and the proof of that key, are required",
} as const;
