import { knownPrincipal } from "../decide/known-principal.ts";
import { BrokerError, invalidField, isDenial } from "../domain/errors.ts";
import type { Step } from "../domain/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { PrincipalRow, RegistryReads } from "../ports/ledger-reads.ts";
import type { PrincipalTokens, VerifiedPrincipal } from "../ports/principal-tokens.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";
import type { OpenRequest } from "./open-request.ts";
import type { Terms } from "./terms.ts";

export type PrincipalPorts = {
  /** Absent where no issuer of principals is configured. */
  readonly principalTokens?: PrincipalTokens;
  readonly principals: PrincipalVault;
  readonly registryReads: Pick<RegistryReads, "principal">;
  readonly ledger: Pick<Ledger, "perform">;
  readonly clock: Pick<Clock, "now">;
};

/**
 * The terms with whom the step works for: whom its token proves, or whom its parent works for. Only whoever may open the
 * step at all makes the broker ask an issuer.
 *
 * @param tries.isFirst - whether the request is decided for the first time: a token that counts once is spent then.
 * @throws BrokerError INVALID_FIELD `principal_token`, NOT_ENTITLED, DELEGATION_REFUSED; NOT_SERVING when the token's
 *   issuer can't be asked
 */
export async function withPrincipal(
  request: OpenRequest,
  terms: Terms,
  ports: PrincipalPorts,
  { isFirst }: { readonly isFirst: boolean },
): Promise<Terms> {
  const { principalToken } = request;
  const { parent } = terms;
  if (principalToken === undefined && parent?.principal === undefined) return terms;
  const verified = principalToken === undefined ? undefined : await tokensOf(ports).verify(principalToken);
  const named = parent === undefined ? await fromToken(verified, ports) : await fromParent(parent, verified, ports);
  if (isFirst) await spend(verified, ports);
  return { ...terms, ...named };
}

/**
 * The principal that a request's token names, for the digest of the request: the token itself is another one with each
 * retry. Nobody believes the name at this point.
 *
 * @throws BrokerError INVALID_FIELD `principal_token`
 */
export function principalNamedBy(
  { principalToken }: OpenRequest,
  ports: Pick<PrincipalPorts, "principalTokens" | "principals">,
): string | undefined {
  return principalToken === undefined ? undefined : ports.principals.idOf(tokensOf(ports).nameIn(principalToken));
}

function tokensOf({ principalTokens }: Pick<PrincipalPorts, "principalTokens">): PrincipalTokens {
  if (principalTokens !== undefined) return principalTokens;
  throw invalidField("principal_token", "absent: no issuer of principals is configured");
}

type Named = Pick<Terms, "principal" | "principalErasedAt">;

async function fromToken(verified: VerifiedPrincipal | undefined, ports: PrincipalPorts): Promise<Named> {
  if (verified === undefined) return {};
  // First, so that no key is made for somebody who was barred before they came.
  const { erasedAt } = await notBarred(ports.principals.idOf(verified), ports);
  const principal = await ports.principals.seal(verified);
  return { principal, ...(erasedAt === undefined ? {} : { principalErasedAt: erasedAt }) };
}

/** A child works for whom its parent works for, by the same claims: a token of its own can only say the same. */
async function fromParent(
  parent: Step,
  verified: VerifiedPrincipal | undefined,
  { principals }: PrincipalPorts,
): Promise<Named> {
  const known = await knownPrincipal(parent, principals);
  if (verified !== undefined && principals.idOf(verified) !== known?.principalId) {
    const whom = known === undefined ? "nobody" : "another principal";
    throw new BrokerError("DELEGATION_REFUSED", `the parent step works for ${whom}`);
  }
  return known === undefined || parent.principal === undefined ? {} : { principal: { ...known, ...parent.principal } };
}

/** A hint, so that the refusal is recorded as a decision; the act that opens the step checks it again. */
async function notBarred(
  principalId: string,
  { registryReads }: PrincipalPorts,
): Promise<Pick<PrincipalRow, "erasedAt">> {
  const recorded = await registryReads.principal(principalId);
  if (recorded?.offboardedAt !== undefined) throw new BrokerError("NOT_ENTITLED", "the principal was offboarded");
  return recorded ?? {};
}

async function spend(verified: VerifiedPrincipal | undefined, { ledger, clock }: PrincipalPorts): Promise<void> {
  if (verified?.spends === undefined) return;
  const { sha256, expiresAt } = verified.spends;
  const spent = await ledger.perform({ act: "spend-evidence", attestor: "oidc", sha256, expiresAt, now: clock.now() });
  if (isDenial(spent)) throw invalidField("principal_token", "a token that was not used before");
}
