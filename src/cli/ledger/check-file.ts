import { parseCheckpointText } from "../../domain/checkpoint.ts";
import { CLOSURE_RECEIPT_HEADER, type ClosureReceipt } from "../../domain/closure-receipt.ts";
import { parseNote } from "../../domain/signed-note.ts";
import type { UnixMicros, UnixSeconds } from "../../domain/time.ts";
import { TLOG_PROOF_HEADER } from "../../domain/tlog-proof.ts";
import { checkClosureReceipt } from "../../verify/closure-receipt.ts";
import {
  checkCheckpoint,
  checkConsistency,
  checkReceipt,
  type LedgerKeys,
  type Refused,
} from "../../verify/ledger-proofs.ts";
import { timestampOfMicros, timestampOfSeconds } from "../../wire/timestamps.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { eventMembers } from "../output/event-members.ts";
import { instantField } from "../output/fields.ts";
import type { Json, View } from "../output/view.ts";

/** What a file turned out to be, once it was checked. */
export type Checked =
  | Exclude<ReturnType<typeof checkReceipt> | ReturnType<typeof checkConsistency>, Refused>
  | Exclude<ReturnType<typeof checkCheckpoint>, Refused>
  | Exclude<ReturnType<typeof checkClosureReceipt>, Refused>;

type Kind = {
  readonly recognizes: (text: string) => boolean;
  /** @param since - an earlier checkpoint, where one was given. */
  readonly check: (text: string, keys: LedgerKeys, since: string | undefined) => Checked | Refused;
};

/** What the ledger gives out, each told by how it begins. */
const KINDS: readonly Kind[] = [
  { recognizes: (text) => text.startsWith(`${TLOG_PROOF_HEADER}\n`), check: checkReceipt },
  {
    recognizes: (text) => text.startsWith("old "),
    check(text, keys, since) {
      if (since === undefined)
        throw usageFailure("a proof of consistency is checked with --since <earlier checkpoint>");
      return checkConsistency(text, since, keys);
    },
  },
  { recognizes: (text) => text.startsWith(`${CLOSURE_RECEIPT_HEADER}\n`), check: checkClosureReceipt },
  { recognizes: (text) => parseCheckpointText(parseNote(text)?.text ?? "") !== undefined, check: checkCheckpoint },
];

/**
 * Checks what a ledger gave out, without asking anybody.
 *
 * @throws Failure saying why it proves nothing
 */
export function checkFile(text: string, keys: LedgerKeys, since: string | undefined): Checked {
  const kind = KINDS.find(({ recognizes }) => recognizes(text));
  if (text.startsWith("%PDF-")) {
    throw usageFailure(
      "of a report as a PDF the JSON is checked that is attached to it: pdfdetach -saveall takes it out",
    );
  }
  if (kind === undefined) throw new Failure("it is nothing that a ledger gives out", EXIT.refused);
  const checked = kind.check(text, keys, since);
  if (checked.kind === "refused") throw new Failure(`it proves nothing: ${checked.why}`, EXIT.refused);
  return checked;
}

export const checkedView: View<Checked> = {
  fields: [
    ["kind", ({ kind }) => kind],
    ["origin", ({ checkpoint }) => checkpoint.origin],
    ["tree_size", ({ checkpoint }) => checkpoint.size],
    ["root_hash", ({ checkpoint }) => Buffer.from(checkpoint.rootHash).toString("hex")],
    ["continues_size", (checked) => (checked.kind === "consistency" ? checked.earlier.size : undefined)],
    ["sequence", (checked) => (checked.kind === "receipt" ? checked.sequence : undefined)],
    ...closureFieldsOf(),
    ["event", (checked) => (checked.kind === "receipt" ? eventOf(checked.entry) : undefined)],
    [
      "cosigned_by",
      ({ cosignedBy }) =>
        cosignedBy.map(({ key, at }) => ({
          name: key.name,
          at: at === undefined ? null : instantField(timestampOfSeconds(at as UnixSeconds)),
        })),
    ],
  ],
  columns: [],
};

/** What a closure receipt states; a verifier's key says who signed, and whose key it is, the reader has to know. */
function closureFieldsOf(): View<Checked>["fields"] {
  const of = (value: (receipt: ClosureReceipt) => Json) => (checked: Checked) =>
    checked.kind === "closure" ? value(checked.receipt) : undefined;
  const micros = (at: UnixMicros | undefined) => (at === undefined ? null : instantField(timestampOfMicros(at)));
  return [
    ["step_id", of(({ step }) => step.stepId)],
    ["step", of(({ step }) => `${step.runId}/${step.step}/${step.attempt}`)],
    ["step_state", of(({ step }) => step.state)],
    ["closed_sequence", of(({ closedSequence }) => closedSequence)],
    ["closed_at", of(({ closedAt }) => micros(closedAt))],
    ["close_reason", of(({ reason }) => reason)],
    ["stated_at", of(({ statedAt }) => micros(statedAt))],
    ["closure", of(({ closure }) => closure.state)],
    ["latest_possible_acceptance", of(({ closure }) => micros(closure.latestPossibleAcceptance))],
    ["steps_closed", of(({ stepsClosed }) => stepsClosed)],
    ["credentials_revoked", of(({ credentialsRevoked }) => credentialsRevoked)],
    [
      "places",
      of(({ closure }) =>
        closure.places.map(({ audience, state, until }) => ({
          audience: audience ?? null,
          state,
          until: micros(until),
        })),
      ),
    ],
    [
      "verifiers",
      of(({ closure }) =>
        closure.verifiers.map(({ verifier, state, appliedAt, signed }) => ({
          verifier,
          state,
          applied_at: micros(appliedAt),
          signed_at: micros(signed?.at),
          signed_by: signed?.key ?? "unsigned",
        })),
      ),
    ],
    [
      "exchanges",
      of(({ closure }) => closure.exchanges.map(({ exchangeId, target }) => ({ exchange_id: exchangeId, target }))),
    ],
  ];
}

/** The event in the words of everything else; what is proved are its bytes. */
function eventOf(entry: Uint8Array): Json {
  return eventMembers(JSON.parse(Buffer.from(entry).toString("utf8")) as Json);
}
