import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Authority, AuthorityState } from "../domain/authority.ts";
import type { SvidKind } from "../domain/issuance.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { type AuthoritySchema, AuthorityState as StateMessage } from "../gen/stint/v1/authorities_pb.js";
import { svidKindMessageOf } from "./issuance-message.ts";
import { timestampOfSeconds } from "./timestamps.ts";

const STATES = {
  prepared: StateMessage.PREPARED,
  active: StateMessage.ACTIVE,
  old: StateMessage.OLD,
  removed: StateMessage.REMOVED,
} as const satisfies Record<AuthorityState, StateMessage>;

/** @param activatableAt - of a prepared authority: when it has been published for long enough. */
export function authorityMessageOf(
  authority: Authority & { readonly family: SvidKind },
  activatableAt: UnixSeconds | undefined,
): MessageInitShape<typeof AuthoritySchema> {
  const { stateSince, certificate } = authority;
  return {
    authorityId: authority.authorityId,
    kind: svidKindMessageOf(authority.family),
    state: STATES[authority.state],
    ...(stateSince === undefined ? {} : { stateSince: timestampOfSeconds(stateSince) }),
    tainted: authority.tainted === true,
    notBefore: timestampOfSeconds(authority.notBefore),
    expiresAt: timestampOfSeconds(authority.expiresAt),
    ...(activatableAt === undefined ? {} : { activatableAt: timestampOfSeconds(activatableAt) }),
    ...(certificate === undefined ? {} : { certificate }),
  };
}
