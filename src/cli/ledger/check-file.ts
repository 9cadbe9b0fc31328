import { parseCheckpointText } from "../../domain/checkpoint.ts";
import { parseNote } from "../../domain/signed-note.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import { TLOG_PROOF_HEADER } from "../../domain/tlog-proof.ts";
import {
  checkCheckpoint,
  checkConsistency,
  checkReceipt,
  type LedgerKeys,
  type Refused,
} from "../../verify/ledger-proofs.ts";
import { timestampOfSeconds } from "../../wire/timestamps.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { eventMembers } from "../output/event-members.ts";
import { instantField } from "../output/fields.ts";
import type { Json, View } from "../output/view.ts";

/** What a file turned out to be, once it was checked. */
export type Checked =
  | Exclude<ReturnType<typeof checkReceipt> | ReturnType<typeof checkConsistency>, Refused>
  | Exclude<ReturnType<typeof checkCheckpoint>, Refused>;

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
  { recognizes: (text) => parseCheckpointText(parseNote(text)?.text ?? "") !== undefined, check: checkCheckpoint },
];

/**
 * Checks what a ledger gave out, without asking anybody.
 *
 * @throws Failure saying why it proves nothing
 */
export function checkFile(text: string, keys: LedgerKeys, since: string | undefined): Checked {
  const kind = KINDS.find(({ recognizes }) => recognizes(text));
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

/** The event in the words of everything else; what is proved are its bytes. */
function eventOf(entry: Uint8Array): Json {
  return eventMembers(JSON.parse(Buffer.from(entry).toString("utf8")) as Json);
}
