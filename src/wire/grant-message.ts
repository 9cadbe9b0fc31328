import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Grant, type GrantElement, isAction, parseGrant } from "../domain/grant.ts";
import type { Grant as GrantMessage, GrantSchema } from "../gen/stint/v1/types_pb.js";

export function grantMessageOf(grant: Grant): MessageInitShape<typeof GrantSchema> {
  return {
    elements: grant.map((element) => ({
      type: element.type,
      locations: [...element.locations],
      identifier: element.identifier,
      actions: [...element.actions],
      datatypes: [...element.datatypes],
      ...(element.max_calls === undefined ? {} : { maxCalls: element.max_calls }),
      definitionSha256: element.definition_sha256 ?? "",
    })),
  };
}

/**
 * Accepts a grant from a request; absent is the empty grant.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function grantOfMessage(
  message: GrantMessage | undefined,
  options: { readonly ceiling: boolean },
  field = "grant",
): Grant {
  return parseGrant(grantMembersOf(message), options, field);
}

/** The elements of a message in the member names of RFC 9396, unchecked. */
export function grantMembersOf(message: Pick<GrantMessage, "elements"> | undefined) {
  // Member by member: a message carries its own type name, which no grant has.
  return (message?.elements ?? []).map(({ maxCalls, definitionSha256, ...element }) => ({
    type: element.type,
    locations: element.locations,
    identifier: element.identifier,
    actions: element.actions,
    datatypes: element.datatypes,
    ...(maxCalls === undefined ? {} : { max_calls: maxCalls }),
    ...(definitionSha256 === "" ? {} : { definition_sha256: definitionSha256 }),
  }));
}

/**
 * A grant as the broker tells it, for its holder. Total: an element of a type or with an action that this version does
 * not know is left out, since a holder must not act on an element that it can't understand.
 */
export function knownGrantOf(message: GrantMessage | undefined): Grant {
  return (message?.elements ?? []).flatMap((element): GrantElement[] => {
    const actions = element.actions.filter(isAction);
    if (element.type !== "mcp_tool" || actions.length !== element.actions.length) return [];
    const { locations, identifier, datatypes, maxCalls, definitionSha256 } = element;
    const known = {
      type: "mcp_tool",
      locations: [...locations],
      identifier,
      actions,
      datatypes: [...datatypes],
    } as const;
    return [
      {
        ...known,
        ...(maxCalls === undefined ? {} : { max_calls: maxCalls }),
        ...(definitionSha256 === "" ? {} : { definition_sha256: definitionSha256 }),
      },
    ];
  });
}
