import { timestampDate } from "@bufbuild/protobuf/wkt";
import { invalidField } from "../../domain/errors.ts";
import type { Grant } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import { grantMessageOf } from "../../wire/grant-message.ts";
import { durationOfSeconds } from "../../wire/timestamps.ts";
import { askBroker, type Broker } from "./broker.ts";
import { concealedToken } from "./concealed-token.ts";
import { StintError, stintErrorOf } from "./stint-error.ts";

/** Whom a step is delegated to, and how much of it. */
export type DelegationOptions = {
  /** Name of the registration entry of the runtime that is to open children; nobody else can use the token. */
  readonly runtime: string;
  /** The most that a child may be granted, within the step's grant. Absent: all of it. */
  readonly grant?: Grant | undefined;
  /** How many children may be opened, 1 to 100. Absent: 1. */
  readonly uses?: number | undefined;
  /** 10 to 3,600; the token ends with the step in any case. Absent: as long as a JWT-SVID of the step. */
  readonly ttlSeconds?: number | undefined;
};

/**
 * By which the runtime that it names opens children of the step. The token is reached by `token()` alone: printing,
 * inspecting, logging or serializing the object shows its step, receiver and expiry.
 */
export type DelegationToken = {
  readonly issuanceId: string;
  /** Of the step. */
  readonly spiffeId: string;
  readonly runtime: string;
  /** Exclusive. */
  readonly expiresAt: Date;
  /** The token itself, for the receiver's `parentToken`. No server takes it. */
  token(): string;
  /** `DelegationToken(<runtime>)` */
  toString(): string;
  toJSON(): { readonly spiffeId: string; readonly runtime: string; readonly expiresAt: string };
};

/**
 * Has the broker make a delegation token of a step: a new one each time.
 *
 * @param signal - ends what is under way.
 * @throws StintError ENTRY_NOT_FOUND for an unknown runtime, GRANT_EXCEEDED, STEP_CLOSED, NOT_ENTITLED, INVALID_FIELD, …
 */
export async function issueDelegationToken(
  { broker, stepId, signal }: { readonly broker: Broker; readonly stepId: string; readonly signal: AbortSignal },
  { runtime, grant, uses = 1, ttlSeconds }: DelegationOptions,
): Promise<DelegationToken> {
  signal.throwIfAborted();
  // On the wire 0 stands for one use.
  if (!(uses >= 1)) throw stintErrorOf(invalidField("uses", `a whole number from 1 to ${LIMITS.delegationUsesMax}`));
  const request = {
    stepId,
    runtime,
    uses,
    ...(grant !== undefined && { grant: grantMessageOf(grant) }),
    ...(ttlSeconds !== undefined && { ttl: durationOfSeconds(ttlSeconds) }),
  };
  const { token } = await askBroker((call) => broker.credentials.issueDelegationToken(request, call), { signal });
  if (token?.expiresAt === undefined) throw new StintError("BROKER_FAILED", `the broker's answer holds no ${WHAT}`);
  const { issuanceId, spiffeId, expiresAt } = token;
  return createDelegationToken({
    issuanceId,
    spiffeId,
    runtime,
    expiresAt: timestampDate(expiresAt),
    token: token.token,
  });
}

/** @throws StintError BROKER_FAILED when the text is no JWS compact serialization */
export function createDelegationToken(facts: {
  readonly issuanceId: string;
  readonly spiffeId: string;
  readonly runtime: string;
  readonly expiresAt: Date;
  readonly token: string;
}): DelegationToken {
  const { token, ...shown } = facts;
  const { spiffeId, runtime } = shown;
  const name = `DelegationToken(${runtime})`;
  const json = { spiffeId, runtime };
  return concealedToken(token, { name, what: WHAT, facts: shown, json }, { token: () => token });
}

const WHAT = "delegation token";
