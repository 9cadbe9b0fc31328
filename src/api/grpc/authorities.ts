import type { Authorities as AuthorityKeeper } from "../../authority/authorities.ts";
import { checkMayLook } from "../../decide/step-access.ts";
import type { Actor } from "../../domain/actor.ts";
import type { Authority } from "../../domain/authority.ts";
import { invalidField } from "../../domain/errors.ts";
import type { SvidKind } from "../../domain/issuance.ts";
import { isRevocationReason, type RevocationReason } from "../../domain/revocation.ts";
import type { Authorities } from "../../gen/stint/v1/authorities_pb.js";
import { authorityMessageOf } from "../../wire/authority-message.ts";
import { svidKindOf } from "../../wire/issuance-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { operatorActor } from "./revocations.ts";

export type AuthoritiesPorts = {
  readonly authorities: AuthorityKeeper;
  /** Takes over the wall clock's time, as an operator's recorded act; gives how far the clock was off, in seconds. */
  readonly confirmClock: (by: Actor) => Promise<number>;
};

export function authoritiesHandlers(
  endpoint: Endpoint,
  { authorities, confirmClock }: AuthoritiesPorts,
): HandlersOf<typeof Authorities> {
  const messageOf = messagesBy(authorities);

  return {
    confirmClock: unary(endpoint, "Authorities.ConfirmClock", async (_request, caller) => ({
      changedSeconds: await confirmClock(operatorActor(caller, ["admin"])),
    })),
    list: unary(endpoint, "Authorities.List", async (request, caller) => {
      checkMayLook(caller);
      const listed = authorities.history().filter(isOfSvids);
      return {
        authorities: listed.filter(({ state }) => request.removed || state !== "removed").map(messageOf),
      };
    }),
    prepare: unary(endpoint, "Authorities.Prepare", async (request, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      const kind = svidKindOf(request.kind);
      if (kind === undefined) throw invalidField("kind", "what the key is to sign");
      const authority = await authorities.prepare(kind, by);
      ids["authorityId"] = authority.authorityId;
      return { authority: messageOf(authority) };
    }),
    activate: unary(endpoint, "Authorities.Activate", async ({ authorityId, force, now }, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      ids["authorityId"] = authorityId;
      const haste = now ? "at-once" : force ? "forced" : "none";
      return { authority: messageOf(await authorities.activate(authorityId, { haste, by })) };
    }),
    taint: unary(endpoint, "Authorities.Taint", async ({ authorityId, reason }, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      ids["authorityId"] = authorityId;
      const { authority, credentialsRevoked } = await authorities.taint(authorityId, { reason: reasonOf(reason), by });
      return { authority: messageOf(authority), credentialsRevoked };
    }),
    revoke: unary(endpoint, "Authorities.Revoke", async ({ authorityId, reason }, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      ids["authorityId"] = authorityId;
      const { authority, credentialsRevoked } = await authorities.revoke(authorityId, { reason: reasonOf(reason), by });
      return { authority: messageOf(authority), credentialsRevoked };
    }),
  };
}

function messagesBy(authorities: Pick<AuthorityKeeper, "activatableAt">) {
  return (authority: Authority) =>
    isOfSvids(authority) ? authorityMessageOf(authority, authorities.activatableAt(authority)) : {};
}

/** The authorities that verifiers know, as messages; none while what is kept of authorities can't be relied on. */
export function publishedAuthorities(authorities: AuthoritiesPorts["authorities"]) {
  if (authorities.following.refusal() !== undefined) return [];
  return authorities.all().filter(isOfSvids).map(messagesBy(authorities));
}

/** @throws BrokerError INVALID_FIELD */
function reasonOf(text: string): RevocationReason {
  const reason = text === "" ? "cACompromise" : text;
  if (!isRevocationReason(reason)) throw invalidField("reason", "an RFC 5280 reason name, e.g. cACompromise");
  return reason;
}

function isOfSvids(authority: Authority): authority is Authority & { readonly family: SvidKind } {
  return authority.family !== "events" && authority.family !== "ledger";
}
