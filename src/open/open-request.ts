import { sha256Hex } from "../domain/digest.ts";
import { invalidField } from "../domain/errors.ts";
import { checkAudience, type Grant } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { isShowable } from "../domain/showable-text.ts";
import { parseSegment, type Segment } from "../domain/spiffe-id.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { checkAskedGrant } from "../issue/asked-grant.ts";

/** What a caller asks for when it opens a step; every field checked on its own, none against the registry. */
export type OpenRequest = {
  readonly runId: Segment;
  readonly step: Segment;
  readonly attempt?: number;
  readonly agent: Segment;
  readonly workflow?: string;
  readonly purpose?: string;
  readonly grant: Grant;
  readonly audiences: readonly string[];
  readonly expiresAt?: UnixSeconds;
  readonly leaseSeconds?: number;
  readonly parentStepId?: string;
  /** A delegation token, in place of the parent's id. */
  readonly parentToken?: string;
  readonly executor: WantedExecutor;
  readonly requestId?: string;
  readonly allowPartial: boolean;
  /** A secret: neither recorded, nor logged, nor in a digest. */
  readonly principalToken?: string;
  /** Wait for an approval rather than be refused. Absent: no, as for clients that know of no approval. */
  readonly acceptPending?: true;
};

export type WantedExecutor =
  | { readonly kind: "self" }
  | { readonly kind: "pid"; readonly pid: number }
  /** Below the opener itself where no pid is named. */
  | { readonly kind: "tree"; readonly pid?: number }
  | { readonly kind: "any" };

const ATTEMPT_MAX = 2 ** 31 - 1;

/**
 * Checks the fields of a request to open a step.
 *
 * @throws BrokerError INVALID_FIELD with the field, LIMIT_EXCEEDED
 */
export function checkOpenRequest(asked: {
  readonly runId: string;
  readonly step: string;
  readonly attempt: number | undefined;
  readonly agent: string;
  readonly workflow: string;
  readonly purpose: string;
  readonly grant: Grant;
  readonly audiences: readonly string[];
  readonly expiresAt: UnixSeconds | undefined;
  readonly leaseSeconds: number | undefined;
  readonly parentStepId: string;
  readonly parentToken: string;
  readonly executor: WantedExecutor;
  readonly requestId: string;
  readonly allowPartial: boolean;
  readonly acceptPending: boolean;
  readonly principalToken: string;
}): OpenRequest {
  const { attempt, leaseSeconds } = asked;
  if (attempt !== undefined && !(Number.isInteger(attempt) && attempt >= 1 && attempt <= ATTEMPT_MAX)) {
    throw invalidField("attempt", `a whole number from 1 to ${ATTEMPT_MAX}`);
  }
  const leaseFits =
    leaseSeconds === undefined || (leaseSeconds >= LIMITS.leaseSecondsMin && leaseSeconds <= LIMITS.leaseSecondsMax);
  if (!leaseFits) throw invalidField("lease", `${LIMITS.leaseSecondsMin} s to ${LIMITS.leaseSecondsMax} s`);
  if (asked.audiences.length > LIMITS.audiencesPerStepMax) {
    throw invalidField("audiences", `at most ${LIMITS.audiencesPerStepMax}`);
  }
  for (const audience of asked.audiences) checkAudience(audience, "audiences");
  checkAskedGrant(asked.grant, "grant");
  if (asked.parentToken !== "" && asked.parentStepId !== "") {
    throw invalidField("parent_token", "absent where parent_step_id names the parent");
  }

  return {
    runId: parseSegment(asked.runId, "run_id"),
    step: parseSegment(asked.step, "step"),
    agent: parseSegment(asked.agent, "agent"),
    grant: asked.grant,
    audiences: [...new Set(asked.audiences)],
    executor: asked.executor,
    allowPartial: asked.allowPartial,
    ...(asked.acceptPending ? { acceptPending: true } : {}),
    ...(attempt === undefined ? {} : { attempt }),
    ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
    ...(asked.expiresAt === undefined ? {} : { expiresAt: asked.expiresAt }),
    ...(asked.workflow === "" ? {} : { workflow: parseSegment(asked.workflow, "workflow") }),
    ...(asked.purpose === "" ? {} : { purpose: showable(asked.purpose, "purpose", LIMITS.purposeBytesMax) }),
    ...(asked.parentStepId === "" ? {} : { parentStepId: asked.parentStepId }),
    ...(asked.principalToken === "" ? {} : { principalToken: asked.principalToken }),
    ...(asked.parentToken === "" ? {} : { parentToken: asked.parentToken }),
    ...(asked.requestId === "" ? {} : { requestId: showable(asked.requestId, "request_id", LIMITS.requestIdBytesMax) }),
  };
}

function showable(text: string, field: string, bytesMax: number): string {
  if (isShowable(text, bytesMax)) return text;
  throw invalidField(field, `at most ${bytesMax} bytes without control characters`);
}

/**
 * A digest of every field that the caller chose, to tell two uses of one request_id apart.
 *
 * @param principalId - of whom the request's token names. The token itself is another one with each retry.
 */
export function digestOf(request: OpenRequest, principalId?: string): string {
  const { requestId: _, principalToken: __, ...asked } = request;
  const rest = principalId === undefined ? asked : { ...asked, principalId };
  return sha256Hex(JSON.stringify(rest, Object.keys(rest).sort().concat(NESTED_MEMBERS)));
}

/** JSON.stringify with a list writes only members that the list names, at every depth. */
const NESTED_MEMBERS = ["type", "locations", "identifier", "actions", "datatypes", "kind", "pid"];
