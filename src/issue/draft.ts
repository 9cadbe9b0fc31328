import type { KeyFamily } from "../domain/authority.ts";
import { base64urlOf } from "../domain/base64url.ts";
import { sha256Hex } from "../domain/digest.ts";
import { BrokerError, type Denial } from "../domain/errors.ts";
import { newId, newJti, newSerialNumber } from "../domain/ids.ts";
import type { IssuanceRecord, SvidKind } from "../domain/issuance.ts";
import { PRINCIPAL_SALT_BYTES, type PrincipalClaim } from "../domain/jwt-claims.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Drafted, Entitled, SvidContent, Unbranded } from "../domain/stages.ts";
import { secondsOf, type UnixMicros } from "../domain/time.ts";
import { validityFor } from "../domain/validity.ts";
import type { Clock } from "../ports/clock.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { SvidFacts, SvidFormat } from "../ports/svid-format.ts";
import { each } from "./each.ts";
import type { StatusIndexes } from "./status-indexes.ts";

export type DraftPorts = {
  readonly authorities: AuthorityDirectory;
  readonly formats: Readonly<Record<SvidKind, SvidFormat>>;
  readonly clock: Clock;
  readonly random: Randomness;
  /** Gives each JWT-SVID its place in a status list. Absent: tokens name none. */
  readonly statusIndexes?: StatusIndexes;
};

/** Writes each credential complete but for its signature, by the authority that is active now. */
export function draft(entitled: readonly (Entitled | Denial)[], ports: DraftPorts): readonly (Drafted | Denial)[] {
  const now = ports.clock.now();
  return each(entitled, (item) => draftOne(item, now, ports));
}

function draftOne(entitled: Entitled, now: UnixMicros, ports: DraftPorts): Drafted | Denial {
  const { content, step } = entitled;
  const authority = ports.authorities.active(content.kind satisfies KeyFamily);
  if (authority === undefined) {
    throw new BrokerError("AUTHORITY_UNAVAILABLE", `no authority for ${content.kind}s is active`);
  }
  const validity = validityFor(secondsOf(now), {
    ttlSeconds: entitled.ttlSeconds,
    authorityExpiresAt: authority.expiresAt,
    backdateSeconds: content.kind === "x509-svid" ? LIMITS.x509BackdateSeconds : LIMITS.jwtBackdateSeconds,
    ...(step === undefined ? {} : { stepExpiresAt: step.expiresAt }),
  });
  if (validity.kind === "denial") return validity;

  const principal = principalClaim(entitled, ports.random);
  const said = saidBy(content, now, ports.random);
  const facts: SvidFacts = {
    spiffeId: entitled.spiffeId,
    notBefore: validity.notBefore,
    expiresAt: validity.expiresAt,
    authority,
    ...said,
    ...statusIn(content, now, ports.statusIndexes),
    ...(step === undefined ? {} : { step }),
    ...(principal === undefined ? {} : { principal }),
  };
  const toBeSigned = ports.formats[content.kind].toBeSigned(facts);
  const record: IssuanceRecord = {
    issuanceId: newId("issuance", now, ports.random.bytes(10)),
    kind: content.kind,
    subject: entitled.subject,
    spiffeId: entitled.spiffeId,
    authorityId: authority.authorityId,
    audiences: facts.audiences,
    grant: facts.grant,
    notBefore: validity.notBefore,
    expiresAt: validity.expiresAt,
    toBeSignedSha256: sha256Hex(toBeSigned),
    issuedAt: now,
    ...(facts.serialNumber === undefined ? {} : { serialNumber: facts.serialNumber }),
    ...(facts.jti === undefined ? {} : { jti: facts.jti }),
    ...(facts.publicKey === undefined ? {} : { publicKeySha256: sha256Hex(facts.publicKey) }),
    ...(facts.confirmation === undefined ? {} : { confirmation: facts.confirmation }),
    ...(facts.delegation === undefined ? {} : { delegation: facts.delegation }),
    ...(facts.status === undefined ? {} : { status: facts.status }),
  };
  return {
    record,
    toBeSigned,
    authority,
    decidedOn: entitled.decidedOn,
    ...(entitled.executable === undefined ? {} : { executable: entitled.executable }),
  } as Drafted;
}

export type DraftedApart = Unbranded<Drafted>;

/** What was drafted in another process of this broker, by `draft`. That its row is of these bytes is checked where it is signed. */
export function draftedApart(facts: DraftedApart): Drafted {
  return facts as Drafted;
}

/** @throws TypeError for a step that works for somebody who is not known: its tokens would say that it works for nobody */
function principalClaim({ step, principal }: Entitled, random: Randomness): PrincipalClaim | undefined {
  if (step?.principal === undefined) return undefined;
  if (principal === undefined) throw new TypeError("a step whose principal is not known has no credentials");
  return { ...principal, salt: base64urlOf(random.bytes(PRINCIPAL_SALT_BYTES)) };
}

type Said = Pick<
  SvidFacts,
  "serialNumber" | "jti" | "publicKey" | "audiences" | "grant" | "confirmation" | "delegation"
>;

/** No verifier takes a delegation token, so none asks for the status of one. */
function statusIn(
  content: SvidContent,
  now: UnixMicros,
  indexes: StatusIndexes | undefined,
): Pick<SvidFacts, "status"> {
  if (indexes === undefined || content.kind !== "jwt-svid" || content.delegation !== undefined) return {};
  return { status: indexes.next(now) };
}

/** What distinguishes this credential, its serial number or `jti` included. */
function saidBy(content: SvidContent, now: UnixMicros, random: Randomness): Said {
  const jti = () => newJti(now, random.bytes(10));
  switch (content.kind) {
    case "x509-svid": {
      const { publicKey } = content;
      return { serialNumber: newSerialNumber(random.bytes(16)), publicKey, audiences: [], grant: [] };
    }
    case "wit-svid":
      return { jti: jti(), publicKey: content.publicKey, audiences: [], grant: [] };
    case "jwt-svid": {
      const { kind: _, ...said } = content;
      return { jti: jti(), ...said };
    }
    case "txn-token":
      return { jti: jti(), audiences: [content.location], grant: content.grant };
  }
}
