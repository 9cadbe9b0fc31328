import type { JsonObject } from "@bufbuild/protobuf";
import { parseSpiffeBundle } from "../../domain/bundle.ts";
import { BrokerError, type Denial, invalidField, isDenial } from "../../domain/errors.ts";
import { parseSpiffeId, type SpiffeId, type TrustDomain } from "../../domain/spiffe-id.ts";
import type { Attested, Delivery } from "../../domain/stages.ts";
import { permits, type Step } from "../../domain/step.ts";
import { secondsOf } from "../../domain/time.ts";
import type { JWTSVIDRequest, ValidateJWTSVIDRequest } from "../../gen/spiffe/workload/workload_pb.js";
import type { IssuePorts } from "../../issue/issue-svids.ts";
import { issueTogether } from "../../issue/issue-together.ts";
import type { CredentialReads } from "../../ports/credential-reads.ts";
import { nothingLeft } from "../../stream/nothing-left.ts";
import {
  executedSteps,
  fewEnough,
  type ProcessIdentitiesPorts,
  withoutIdentity,
} from "../../stream/process-identities.ts";
import { hintOf } from "../../stream/svid-identity.ts";
import { type VerifiedJwtSvid, verifyJwtSvid } from "../../verify/jwt-svid.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { type BundleSet, type JwtBundle, verificationKeysOf } from "../../verify/verification-keys.ts";
import type { Ids } from "./call.ts";
import { federatedBundlesFor, readBundleOf } from "./federated-messages.ts";
import { type BundlePorts, jwksOf } from "./workload-api-bundles.ts";

export type TokenPorts = ProcessIdentitiesPorts &
  BundlePorts & {
    readonly credentials: Pick<CredentialReads, "issuance">;
    readonly issuer: string;
  };

export type FetchTokenPorts = IssuePorts & Pick<ProcessIdentitiesPorts, "executorSteps">;

/** The SPIFFE ID that a request selects by; `undefined` when it selects by none. */
export function selectedIdOf(spiffeId: string): SpiffeId | undefined {
  return spiffeId === "" ? undefined : parseSpiffeId(spiffeId);
}

/** One JWT-SVID of each open step of the caller, or of the step that it names, with all the audiences asked for. */
export async function fetchJwtSvids(request: JWTSVIDRequest, caller: Attested, ports: FetchTokenPorts) {
  if (request.audience.length === 0 || request.audience.includes("")) throw invalidField("audience", "at least one");
  const selected = selectedIdOf(request.spiffeId);
  const steps = executedSteps(caller, ports.executorSteps).filter(
    (step) => selected === undefined || step.spiffeId === selected,
  );
  if (steps.length === 0) throw withoutIdentity(caller, ports.executorSteps) ?? nothingLeft();
  fewEnough(steps, "name one by spiffe_id");
  const { svids, refused } = await jwtSvidsOf(steps, request.audience, { caller }, ports);
  // Several steps are seldom open for the same audience, so a refusal is told only when there is no SVID at all.
  if (svids.length === 0) throw nothingLeft(refused);
  return { svids };
}

/** One JWT-SVID of each step, in the order of the steps, and the first refusal if there is one. */
export async function jwtSvidsOf(
  steps: readonly Step[],
  audiences: readonly string[],
  { caller, as }: { readonly caller: Attested; readonly as?: "opener" },
  ports: IssuePorts,
): Promise<{ readonly svids: readonly ReturnType<typeof jwtSvidMessageOf>[]; readonly refused: Denial | undefined }> {
  const wanted = { kind: "jwt-svid", audiences } as const;
  const answers = await issueTogether(
    caller,
    steps.map(({ stepId }) => ({ kind: "step", stepId, wanted, ...(as === undefined ? {} : { as }) })),
    ports,
  );
  const svids = steps.flatMap((step, index) => {
    const answer = answers[index];
    return answer === undefined || isDenial(answer) ? [] : [jwtSvidMessageOf(step, answer)];
  });
  return { svids, refused: answers.find(isDenial) };
}

function jwtSvidMessageOf(step: Step, { spiffeId, svid }: Delivery) {
  return { spiffeId, svid: Buffer.from(svid).toString("latin1"), hint: hintOf({ kind: "step", step }) };
}

/**
 * Validates a JWT-SVID as a verifier would that has just asked the ledger: an SVID of this trust domain that was taken
 * back, or whose step has ended, is refused. Of an SVID of a foreign trust domain, which the caller's entry federates
 * with, no more is known than the foreign bundle says.
 *
 * @throws BrokerError INVALID_FIELD, with the refusal's code in `verification`
 * @see SPIFFE Workload API section 6.3
 */
export async function validateJwtSvid(request: ValidateJWTSVIDRequest, caller: Attested, ids: Ids, ports: TokenPorts) {
  if (request.audience === "") throw invalidField("audience", "the validating party's own");
  if (request.svid === "") throw invalidField("svid", "a JWT-SVID");
  const verified = verify(request, caller, ports);
  if (verified.jti !== undefined) ids["jti"] = verified.jti;
  const isOwn = verified.trustDomain === ports.trustDomain;
  if (isOwn && !(await isInForce(verified, ports))) throw notValid("REVOKED");
  return { spiffeId: verified.spiffeId, claims: verified.claims as JsonObject };
}

function verify({ svid, audience }: ValidateJWTSVIDRequest, caller: Attested, ports: TokenPorts): VerifiedJwtSvid {
  try {
    return verifyJwtSvid(svid, {
      bundles: bundlesFor(caller, ports),
      now: secondsOf(ports.clock.now()),
      audiences: [audience],
      // The answer identifies, and grants nothing; what the caller makes of it is the caller's decision.
      allowSeveralAudiences: true,
    });
  } catch (thrown) {
    if (thrown instanceof VerificationError) throw notValid(thrown.code);
    throw thrown;
  }
}

/** The broker's own bundle, and the foreign ones that the caller is given. */
function bundlesFor({ entries }: Attested, ports: TokenPorts): BundleSet {
  const { trustDomain, issuer } = ports;
  const keys = verificationKeysOf(parseSpiffeBundle(jwksOf("jwt-svid", ports)).jwtKeys);
  const bundles = new Map<TrustDomain, JwtBundle>([[trustDomain, { trustDomain, keys, issuer }]]);
  for (const [foreign, bundle] of federatedBundlesFor(entries, ports)) {
    bundles.set(foreign, { trustDomain: foreign, keys: verificationKeysOf(readBundleOf(bundle).jwtKeys) });
  }
  return bundles;
}

/** A token that the ledger does not know was signed before the ledger was put back in time, and is not believed. */
async function isInForce({ jti }: VerifiedJwtSvid, ports: TokenPorts): Promise<boolean> {
  const issuance = jti === undefined ? undefined : await ports.credentials.issuance({ jti });
  if (issuance?.step === undefined || issuance.revokedAt !== undefined) return false;
  return permits(issuance.step.state);
}

function notValid(verification: string): BrokerError {
  return new BrokerError("INVALID_FIELD", `svid: one that is valid here and for this audience (${verification})`, {
    metadata: { field: "svid", verification },
  });
}
