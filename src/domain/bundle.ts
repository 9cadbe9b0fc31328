import { type Authority, x509RootsOf } from "./authority.ts";
import { bytesOfBase64, bytesOfBase64url } from "./base64url.ts";
import { readCertificate } from "./certificate.ts";
import { type BrokerError, invalidField } from "./errors.ts";
import { type CaJwk, caJwkOf, type EcJwk, ecJwkOf } from "./public-key.ts";
import { isObject, type JsonObject, parseStrictText } from "./strict-json.ts";

/** The document that carries a trust domain's verification keys to the rest of the world. */
export type SpiffeBundleDocument = {
  readonly keys: readonly (
    | (CaJwk & { readonly use: "x509-svid"; readonly x5c: readonly [string] })
    | (EcJwk & { readonly use: "jwt-svid" | "wit-svid"; readonly kid: string })
  )[];
  readonly spiffe_sequence: number;
  readonly spiffe_refresh_hint: number;
};

/**
 * How often it is worth asking for the broker's own bundle. A verifier that fetches the bundle so often believes a key
 * that was taken out for no longer than this; a new key is published for many times as long before it signs.
 *
 * @see SPIFFE Federation section 4.1
 */
export const BUNDLE_REFRESH_HINT_SECONDS = 60;

/**
 * Writes the SPIFFE bundle of these authorities; families that sign no SVIDs are left out.
 *
 * @param sequence - grows with every change of the content.
 * @param refreshHintSeconds - how often it is worth fetching the bundle again.
 * @see SPIFFE Trust Domain and Bundle section 4, X509-SVID section 6, JWT-SVID section 6, WIT-SVID section 6
 */
export function spiffeBundle(
  authorities: readonly Authority[],
  sequence: number,
  refreshHintSeconds: number,
): SpiffeBundleDocument {
  const ofTokens = authorities.flatMap(({ family, authorityId, publicKey }): SpiffeBundleDocument["keys"] =>
    family === "jwt-svid" || family === "wit-svid" ? [{ use: family, kid: authorityId, ...ecJwkOf(publicKey) }] : [],
  );
  const ownKeys = new Map(authorities.map(({ certificate, publicKey }) => [certificate, publicKey]));
  const roots = x509RootsOf(authorities).map((certificate) => {
    const x5c = [Buffer.from(certificate).toString("base64")] as const;
    const publicKey = ownKeys.get(certificate) ?? readCertificate(certificate).publicKey;
    return { use: "x509-svid", ...caJwkOf(publicKey), x5c } as const;
  });
  return { keys: [...roots, ...ofTokens], spiffe_sequence: sequence, spiffe_refresh_hint: refreshHintSeconds };
}

/** A JWKS as any JWT library takes it. */
export type PlainJwks = {
  readonly keys: readonly (EcJwk & { readonly use: "sig"; readonly alg: "ES256"; readonly kid: string })[];
};

/**
 * Writes the keys of JWT-SVIDs for verifiers that know nothing of SPIFFE: most libraries pass over a key whose `use` is
 * not `sig`. Those of status lists and events are in a set of their own, for a JWT-SVID says no more of its kind than `JWT`.
 *
 * @see RFC 7517 section 5
 */
export function plainJwks(authorities: readonly Authority[], family: "jwt-svid" | "events" = "jwt-svid"): PlainJwks {
  return {
    keys: authorities
      .filter((authority) => authority.family === family)
      .map(({ authorityId, publicKey }) => ({ use: "sig", alg: "ES256", kid: authorityId, ...ecJwkOf(publicKey) })),
  };
}

/**
 * The public members of a verification key, and the one algorithm that the key is for where the bundle names one. Never
 * `use`: JWT libraries would take SPIFFE's values of `use` amiss.
 */
export type VerificationJwk = { readonly kid: string; readonly alg?: string } & (
  | { readonly kty: "EC"; readonly crv: string; readonly x: string; readonly y: string }
  | { readonly kty: "RSA"; readonly n: string; readonly e: string }
);

export type KeysByKid = ReadonlyMap<string, VerificationJwk>;

/** A SPIFFE bundle as a verifier uses it. */
export type SpiffeBundle = {
  readonly sequence: number | undefined;
  readonly refreshHintSeconds: number | undefined;
  readonly jwtKeys: ReadonlyMap<string, VerificationJwk>;
  /** Keys of WIT-SVIDs. They never verify a JWT-SVID, and `jwtKeys` never verify a WIT-SVID. */
  readonly witKeys: ReadonlyMap<string, VerificationJwk>;
  /** CA certificates, DER. */
  readonly x509: readonly Uint8Array[];
};

/**
 * Reads a SPIFFE bundle. Elements whose `use` or `kty` is unknown are passed over, as the standard asks; anything else
 * that departs from the standard makes the whole bundle unusable. A bundle without keys is valid: it trusts nobody.
 *
 * @param text - JSON; the caller bounds its size.
 * @throws BrokerError INVALID_FIELD
 * @see SPIFFE Trust Domain and Bundle section 4
 */
export function parseSpiffeBundle(text: string, field = "bundle"): SpiffeBundle {
  return spiffeBundleIn(parseBundleJson(text, field), field);
}

/**
 * Parses the JSON of a bundle, or of a document that has bundles in it.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function parseBundleJson(text: string, field: string): JsonObject {
  const document = parseStrictText(text);
  if (document === undefined) throw invalidField(field, "a JSON object, no member twice");
  return document;
}

/**
 * Reads a SPIFFE bundle that stands in a larger document.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function spiffeBundleIn(value: unknown, field: string): SpiffeBundle {
  const document = membersOf(value, field);
  const jwtKeys = new Map<string, VerificationJwk>();
  const witKeys = new Map<string, VerificationJwk>();
  const x509: Uint8Array[] = [];
  for (const { kty, use, members, at } of knownKeysIn(document, field)) {
    if (use === "x509-svid") {
      const certificate = certificateIn(members, at);
      if (certificate !== undefined) x509.push(certificate);
    } else if (use === "jwt-svid" || use === "wit-svid") {
      const jwk = jwkIn(members, kty, at);
      // Two keys with one `kid` would make the key that a token means depend on the reader. WIT-SVID section 6.1.
      if (jwtKeys.has(jwk.kid) || witKeys.has(jwk.kid)) throw kidTaken(at);
      (use === "jwt-svid" ? jwtKeys : witKeys).set(jwk.kid, jwk);
    }
  }
  return {
    sequence: countIn(document, "spiffe_sequence", field),
    refreshHintSeconds: countIn(document, "spiffe_refresh_hint", field),
    jwtKeys,
    witKeys,
    x509,
  };
}

/**
 * Reads the keys of a JWKS that are for one use. Elements for another use, or of an unknown `kty`, are passed over.
 *
 * @throws BrokerError INVALID_FIELD
 * @see RFC 7517 section 5
 */
export function tokenKeysIn(document: JsonObject, wanted: string, field: string): KeysByKid {
  const found = new Map<string, VerificationJwk>();
  for (const { kty, use, members, at } of knownKeysIn(membersOf(document, field), field)) {
    if (use !== wanted) continue;
    const jwk = jwkIn(members, kty, at);
    if (found.has(jwk.kid)) throw kidTaken(at);
    found.set(jwk.kid, jwk);
  }
  return found;
}

type KnownKey = {
  readonly kty: "EC" | "RSA";
  readonly use: unknown;
  readonly members: ReadonlyMap<string, unknown>;
  /** Where the key stands in the document. */
  readonly at: string;
};

/** The elements of `keys` whose `kty` is known. */
function knownKeysIn(document: ReadonlyMap<string, unknown>, field: string): readonly KnownKey[] {
  const keys = document.get("keys");
  if (!Array.isArray(keys)) throw invalidField(`${field}.keys`, "a list of JWKs");
  return keys.flatMap((key: unknown, index): readonly KnownKey[] => {
    const at = `${field}.keys[${index}]`;
    const members = membersOf(key, at);
    const kty = members.get("kty");
    return kty === "EC" || kty === "RSA" ? [{ kty, use: members.get("use"), members, at }] : [];
  });
}

function kidTaken(at: string): BrokerError {
  return invalidField(`${at}.kid`, "one that no other key has");
}

function membersOf(value: unknown, field: string): ReadonlyMap<string, unknown> {
  if (!isObject(value)) throw invalidField(field, "an object");
  return new Map(Object.entries(value));
}

/**
 * Writes a bundle that was read, without the elements that were passed over. The same keys give the same text in
 * whatever order they came: some publishers list their keys in another order each time.
 *
 * @throws BrokerError KEY_REFUSED for a CA whose key `checkPublicKey` does not accept
 * @see SPIFFE Trust Domain and Bundle section 4
 */
export function formatSpiffeBundle({ x509, jwtKeys, witKeys, sequence, refreshHintSeconds }: SpiffeBundle): string {
  const certificates = new Map(x509.map((one) => [Buffer.from(one).toString("base64"), one]));
  const authorities = sortedByName(certificates).map(([x5c, certificate]) => {
    return { use: "x509-svid", ...caJwkOf(readCertificate(certificate).publicKey), x5c: [x5c] };
  });
  const tokenKeys = (use: "jwt-svid" | "wit-svid", keys: SpiffeBundle["jwtKeys"]) =>
    sortedByName(keys).map(([, jwk]) => ({ use, ...jwk }));
  // Members that are `undefined` are left out.
  return JSON.stringify({
    keys: [...authorities, ...tokenKeys("jwt-svid", jwtKeys), ...tokenKeys("wit-svid", witKeys)],
    spiffe_sequence: sequence,
    spiffe_refresh_hint: refreshHintSeconds,
  });
}

function sortedByName<Value>(values: ReadonlyMap<string, Value>): readonly (readonly [string, Value])[] {
  return [...values].sort(([a], [b]) => (a < b ? -1 : 1));
}

function countIn(members: ReadonlyMap<string, unknown>, name: string, field: string): number | undefined {
  const value = members.get(name);
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw invalidField(`${field}.${name}`, "a whole number, not negative");
  }
  return value;
}

/** A consumer looks at the first certificate only; an element without `x5c` is passed over. X509-SVID section 6.2. */
function certificateIn(members: ReadonlyMap<string, unknown>, field: string): Uint8Array | undefined {
  const x5c = members.get("x5c");
  if (x5c === undefined) return undefined;
  const first: unknown = Array.isArray(x5c) ? x5c[0] : undefined;
  const certificate = typeof first === "string" ? bytesOfBase64(first) : undefined;
  if (certificate === undefined || certificate.length === 0) {
    throw invalidField(`${field}.x5c`, "a list of one DER certificate in base64");
  }
  return certificate;
}

function jwkIn(members: ReadonlyMap<string, unknown>, kty: "EC" | "RSA", field: string): VerificationJwk {
  const text = (name: string): string => {
    const value = members.get(name);
    if (typeof value !== "string" || value === "") throw invalidField(`${field}.${name}`, "a string");
    return value;
  };
  const number = (name: string): string => {
    const value = text(name);
    if (bytesOfBase64url(value) === undefined) throw invalidField(`${field}.${name}`, "base64url without padding");
    return value;
  };
  if (members.has("d")) throw privateKey(field);
  const named = { kid: text("kid"), ...(members.has("alg") ? { alg: text("alg") } : {}) };
  return kty === "EC"
    ? { kty, ...named, crv: text("crv"), x: number("x"), y: number("y") }
    : { kty, ...named, n: number("n"), e: number("e") };
}

function privateKey(field: string): BrokerError {
  return invalidField(field, "a public key; this one is private, and to be replaced");
}
