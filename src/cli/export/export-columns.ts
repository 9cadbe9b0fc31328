import type { Decision, Event, ExportedIssuance } from "../../gen/stint/v1/history_pb.js";
import { StepState } from "../../gen/stint/v1/types_pb.js";
import { decisionView } from "../output/decision-view.ts";
import { eventView } from "../output/event-view.ts";
import { enumField, textField } from "../output/fields.ts";
import { issuanceView } from "../output/issuance-view.ts";
import type { Json, View } from "../output/view.ts";

/** What a column holds: `instant` in RFC 3339 and UTC, `json` one value of any shape. Each may be absent. */
export type ColumnKind = "whole" | "text" | "texts" | "instant" | "json";

/** One column of an export, in whatever format it is written. */
export type ExportColumn<Row> = {
  readonly name: string;
  readonly kind: ColumnKind;
  /** For the guide. */
  readonly says: string;
  readonly value: (row: Row) => Json;
};

type Told = readonly [name: string, kind: ColumnKind, says: string];

/** Columns whose values are those of a view's fields of the same names. */
function columnsOf<Row, Shown>(view: View<Shown>, shownOf: (row: Row) => Shown, told: readonly Told[]) {
  const fields = new Map(view.fields);
  return told.map(([name, kind, says]): ExportColumn<Row> => {
    const field = fields.get(name);
    if (field === undefined) throw new TypeError(`there is no field ${name}`);
    return { name, kind, says, value: (row) => field(shownOf(row)) ?? null };
  });
}

/** The one schema of exported issuances; columns are only ever added, at the end. */
export const ISSUANCE_COLUMNS: readonly ExportColumn<ExportedIssuance>[] = [
  ...columnsOf(issuanceView, issuanceIn, [
    ["sequence", "whole", "of the event that recorded it; it orders the rows"],
    ["issuance_id", "text", "its id"],
    ["kind", "text", "`x509-svid`, `jwt-svid`, `wit-svid` or `txn-token`"],
    ["state", "text", "`LIVE`, `EXPIRED`, `REVOKED` or `UNDELIVERED`, as of the export"],
    ["spiffe_id", "text", "whom it names"],
    ["agent", "text", "of the step"],
    ["run_id", "text", "of the step"],
    ["step", "text", "the step's name"],
    ["attempt", "whole", "of the step"],
    ["step_id", "text", "absent for SVIDs of runtimes, verifiers, operators and the broker"],
    ["entry_id", "text", "the registration entry, where there is no step"],
    ["serial_number", "text", "of an X.509-SVID, hexadecimal"],
    ["jti", "text", "of every other kind"],
    ["audiences", "texts", "where it could be presented; none: it names no audience"],
    ["grant", "json", "what it was good for, as RFC 9396 has it"],
    ["issued_at", "instant", "when it was asked for"],
    ["not_before", "instant", "from when it was valid"],
    ["expires_at", "instant", "until when, exclusive"],
    ["revoked_at", "instant", "when it was taken back, by itself or with its step"],
    ["revocation_reason", "text", "why, in the words of RFC 5280"],
    ["authority_id", "text", "the key that signed it"],
    [
      "to_be_signed_sha256",
      "text",
      "SHA-256 of its signed part, hexadecimal: by it a credential is found that was met in the wild",
    ],
  ]),
  {
    name: "step_state",
    kind: "text",
    says: "what came of the step: `OPEN`, `COMPLETED`, `FAILED`, …, as of the export",
    value: ({ stepState }) => (stepState === StepState.UNSPECIFIED ? null : enumField(StepState, stepState)),
  },
  {
    name: "decision_id",
    kind: "text",
    says: "the decision that opened the step",
    value: ({ decisionId }) => textField(decisionId),
  },
  {
    name: "principal_id",
    kind: "text",
    says: "whom the step worked for: a digest, from which nobody can tell who it is",
    value: ({ principalId }) => textField(principalId),
  },
];

export const DECISION_COLUMNS: readonly ExportColumn<Decision>[] = columnsOf(decisionView, (row) => row, [
  ["sequence", "whole", "of the event that recorded it; it orders the rows"],
  ["decision_id", "text", "its id, which a refusal names"],
  ["act", "text", "what was asked for: `open`, `issue`, `attest`, `administer`, `judge` or `call`"],
  ["effect", "text", "`allow` or `deny`"],
  ["reason", "text", "of a denial"],
  ["message", "text", "what the caller was told"],
  ["decided_at", "instant", "when"],
  ["agent", "text", "whose step it is about"],
  ["run_id", "text", "of the step"],
  ["step", "text", "the step's name"],
  ["attempt", "whole", "of the step; absent where the request named none"],
  ["step_id", "text", "of a step that came to be"],
  ["caller_entry_id", "text", "the registration entry that asked"],
  ["requested", "json", "what was asked for, as RFC 9396 has it"],
  ["granted", "json", "what of it was granted"],
  ["refused", "json", "and what was not"],
  ["determining_policies", "texts", "the policies that decided"],
  ["policy_version", "whole", "the set of policies that was asked"],
  ["policy_digest", "text", "SHA-256 of the policies, hexadecimal"],
  ["policy_errors", "texts", "policies that could not be evaluated, each a denial"],
  ["situation", "json", "what else the policies were asked on: risk, facts, principal, runtime"],
  ["call", "json", "the call of a tool, where the decision is about one"],
  ["approval", "text", "the role that could have approved"],
  ["closes", "texts", "steps that ended with it"],
  ["count", "whole", "how many equal denials it stands for"],
  ["caller", "json", "who was refused"],
  ["opening", "json", "who opened the step, where no policy was asked"],
]);

export const EVENT_COLUMNS: readonly ExportColumn<Event>[] = columnsOf(eventView, (row) => row, [
  ["sequence", "whole", "its place in the ledger, from 1"],
  ["recorded_at", "instant", "when"],
  ["type", "text", "what happened"],
  ["event", "json", "what the event says, in the words of the other exports"],
  ["canonical", "text", "the very text that was hashed; empty where it was pruned"],
  [
    "leaf_hash",
    "text",
    "SHA-256 of a zero byte and that text, hexadecimal: the leaf of the ledger's tree (RFC 9162 section 2.1.1)",
  ],
]);

function issuanceIn({ issuance }: ExportedIssuance): NonNullable<ExportedIssuance["issuance"]> {
  if (issuance === undefined) throw new TypeError("an exported issuance without its issuance");
  return issuance;
}
