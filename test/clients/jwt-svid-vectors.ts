import { readFileSync } from "node:fs";
import { parseSpiffeBundle } from "../../src/domain/bundle.ts";
import { parseTrustDomain, type TrustDomain } from "../../src/domain/spiffe-id.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { type VerifiedJwtSvid, verifyJwtSvid } from "../../src/verify/jwt-svid.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { type JwtBundle, verificationKeysOf } from "../../src/verify/verification-keys.ts";

/** One case: a token, what differs from the file's settings, and what a verifier in any language makes of it. */
export type JwtSvidCase = {
  readonly name: string;
  readonly token: string;
  readonly settings: {
    readonly audiences?: readonly string[];
    readonly now?: number;
    readonly development?: boolean;
    readonly allow_several_audiences?: boolean;
    readonly confirmation?: Readonly<Record<"x5t#S256" | "jkt", string>> | Readonly<Record<string, string>>;
  };
  readonly expected:
    | { readonly verified: Readonly<Record<string, unknown>> }
    | {
        readonly refused: string;
        readonly message: string;
        readonly metadata: Readonly<Record<string, string>>;
      };
};

export type JwtSvidVectors = {
  readonly about: readonly string[];
  readonly settings: { readonly audiences: readonly string[]; readonly now: number };
  readonly bundles: readonly {
    readonly trust_domain: string;
    readonly issuer?: string;
    readonly development?: boolean;
    readonly document: unknown;
  }[];
  readonly cases: readonly JwtSvidCase[];
};

export const JWT_SVID_FILE = new URL("../vectors/jwt-svid.json", import.meta.url);

export function jwtSvidVectors(): JwtSvidVectors {
  return JSON.parse(readFileSync(JWT_SVID_FILE, "utf8")) as JwtSvidVectors;
}

export function bundlesOf(vectors: Pick<JwtSvidVectors, "bundles">): ReadonlyMap<TrustDomain, JwtBundle> {
  return new Map(
    vectors.bundles.map(({ trust_domain, issuer, development, document }): [TrustDomain, JwtBundle] => {
      const trustDomain = parseTrustDomain(trust_domain);
      const keys = verificationKeysOf(parseSpiffeBundle(JSON.stringify(document)).jwtKeys);
      const bundle = {
        trustDomain,
        keys,
        ...(issuer !== undefined && { issuer }),
        ...(development && { development }),
      };
      return [trustDomain, bundle];
    }),
  );
}

/** What src/verify makes of a case. */
export function outcomeOf(
  { settings, bundles }: Pick<JwtSvidVectors, "settings"> & { readonly bundles: ReadonlyMap<TrustDomain, JwtBundle> },
  { token, settings: changed }: Pick<JwtSvidCase, "token" | "settings">,
): JwtSvidCase["expected"] {
  const { audiences, now } = { ...settings, ...changed };
  try {
    const verified = verifyJwtSvid(token, {
      bundles,
      audiences,
      now: now as UnixSeconds,
      development: changed.development ?? false,
      allowSeveralAudiences: changed.allow_several_audiences ?? false,
      ...(changed.confirmation !== undefined && { confirmation: changed.confirmation }),
    });
    return { verified: shownOf(verified) };
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    return { refused: thrown.code, message: thrown.message, metadata: thrown.metadata };
  }
}

/** In member names of no language's own; what is absent is left out. */
function shownOf(verified: VerifiedJwtSvid): Readonly<Record<string, unknown>> {
  const { step } = verified;
  return withoutAbsent({
    spiffe_id: verified.spiffeId,
    trust_domain: verified.trustDomain,
    audience: verified.audience,
    key_id: verified.keyId,
    issuer: verified.issuer,
    jti: verified.jti,
    client_id: verified.clientId,
    expires_at: verified.expiresAt,
    not_before: verified.notBefore,
    issued_at: verified.issuedAt,
    scopes: verified.scopes,
    grant: verified.grant,
    confirmation: verified.confirmation,
    step:
      step &&
      withoutAbsent({
        step_id: step.stepId,
        run_id: step.runId,
        step: step.step,
        attempt: step.attempt,
        agent: step.agent,
        workflow: step.workflow,
        parent_step_id: step.parentStepId,
        principal: step.principal,
      }),
  });
}

function withoutAbsent(members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
