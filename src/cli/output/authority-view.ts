import { type Authority, AuthorityState } from "../../gen/stint/v1/authorities_pb.js";
import { svidKindOf } from "../../wire/issuance-message.ts";
import { enumField, instantCell, instantField } from "./fields.ts";
import { type Field, styleOf, type View } from "./view.ts";

const fields: readonly Field<Authority>[] = [
  ["authority_id", (authority) => authority.authorityId],
  ["kind", (authority) => kindOf(authority)],
  ["state", (authority) => enumField(AuthorityState, authority.state)],
  ["state_since", (authority) => instantField(authority.stateSince)],
  ["tainted", (authority) => authority.tainted],
  ["not_before", (authority) => instantField(authority.notBefore)],
  ["expires_at", (authority) => instantField(authority.expiresAt)],
  ["activatable_at", (authority) => instantField(authority.activatableAt)],
];

export const authorityView: View<Authority> = {
  fields,
  columns: [
    { header: "KIND", text: (authority) => kindOf(authority) },
    {
      header: "STATE",
      text: (authority) => enumField(AuthorityState, authority.state),
      style: ({ state, tainted }) => styleOf(state === AuthorityState.ACTIVE, tainted),
    },
    { header: "TAINTED", text: ({ tainted }) => (tainted ? "yes" : "no") },
    { header: "SINCE", text: (authority) => instantCell(authority.stateSince) },
    { header: "ACTIVATABLE", text: (authority) => instantCell(authority.activatableAt) },
    { header: "EXPIRES", text: (authority) => instantCell(authority.expiresAt) },
    { header: "AUTHORITY", text: (authority) => authority.authorityId },
  ],
};

type Withdrawn = { readonly authority?: Authority | undefined; readonly credentialsRevoked: number };

/** A withdrawn authority, and how many credentials were taken back with it. */
export const withdrawnView: View<Withdrawn> = {
  fields: [
    ...fields.map(
      ([name, value]): Field<Withdrawn> => [
        name,
        ({ authority }) => (authority === undefined ? null : value(authority)),
      ],
    ),
    ["credentials_revoked", ({ credentialsRevoked }) => credentialsRevoked],
  ],
  columns: [],
};

function kindOf({ kind }: Authority): string {
  return svidKindOf(kind) ?? `UNKNOWN_${kind}`;
}
