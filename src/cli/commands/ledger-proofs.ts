import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import { formatAddCheckpoint } from "../../domain/add-checkpoint.ts";
import { parseCheckpointText } from "../../domain/checkpoint.ts";
import { type NoteKey, parseNote, parseNoteKey } from "../../domain/signed-note.ts";
import { Ledger } from "../../gen/stint/v1/ledger_pb.js";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { countFlag, serialFlag } from "../flags.ts";
import { checkedView, checkFile } from "../ledger/check-file.ts";
import { readInput } from "../read-input.ts";
import { acting, type Session } from "../session.ts";
import { writeWhole } from "../write-whole.ts";

/** Of what comes by standard input: a report has some twenty receipts, of which each has an event of at most 64 KiB, twice or three times. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

type ProveOptions = {
  readonly jti?: string;
  readonly serial?: string;
  readonly issuance?: string;
  readonly decision?: string;
  readonly sequence?: number;
  readonly since?: string;
  readonly revocation?: boolean;
  readonly out?: string;
};
type CheckOptions = { readonly key: NoteKey; readonly witness?: readonly NoteKey[]; readonly since?: string };

/** The commands that give out what others can check, and the one that checks it. */
export function addLedgerProofs(ledger: Command, context: Context): void {
  ledger
    .command("key")
    .description("the key that verifies this epoch's checkpoints and receipts; give it to whoever is to check them")
    .action(
      acting(context, async ({ operator, context: { out } }) => {
        const { verifierKey } = await operator(Ledger).getCheckpoint({});
        out.write(`${verifierKey}\n`);
      }),
    );

  ledger
    .command("checkpoint")
    .description("the newest signed checkpoint (C2SP tlog-checkpoint), as it is")
    .action(
      acting(context, async ({ operator, context: { out } }) => {
        out.write((await operator(Ledger).getCheckpoint({})).checkpoint);
      }),
    );

  ledger
    .command("prove")
    .description(
      "a receipt that an event is in the ledger (C2SP tlog-proof), for somebody who does not trust the broker",
    )
    .option("--jti <jti>", "the issuance of this JWT-SVID or WIT-SVID")
    .option("--serial <hex>", "the issuance of this X.509-SVID", serialFlag)
    .option("--issuance <id>", "this issuance")
    .option("--decision <id>", "this decision")
    .option("--sequence <number>", "this event", countFlag)
    .option("--since <file>", "instead: that the ledger continues what this checkpoint of it signed")
    .option("--revocation", "not the issuance, but the event that took it back")
    .option("--out <file>", "where to; otherwise to standard output")
    .action(acting(context, proveAndWrite));

  ledger
    .command("check")
    .description(
      "checks a receipt, a checkpoint, a proof of consistency or a report, without a broker: by the key alone",
    )
    .argument("<file>", "a dash: standard input")
    .requiredOption("--key <key>", "of the ledger's checkpoints: stint ledger key", keyFlag)
    .option("--witness <key>", "of a witness that has to have signed too; may be repeated", witnessFlag)
    .option("--since <file>", "the earlier checkpoint, for a proof of consistency")
    .action(
      acting(context, async (session, { key, witness = [], since }: CheckOptions, file: string) => {
        const earlier = since === undefined ? undefined : await textOf(since, session.context);
        const text = await textOf(file, session.context);
        const keys = { log: key, witnesses: witness };
        if (!isReport(text)) {
          await session.print.one(checkedView, checkFile(text, keys, earlier));
          return;
        }
        // Loaded where it is run: nothing else that is checked takes what a report is made of.
        const { checkedReportView, checkReport } = await import("../report/check-report.ts");
        await session.print.one(checkedReportView, checkReport(text, keys));
      }),
    );
}

/** Nothing else that a ledger gives out begins so. */
function isReport(text: string): boolean {
  return text.startsWith("<!doctype html>") || text.startsWith("{");
}

async function proveAndWrite(session: Session, options: ProveOptions): Promise<void> {
  const calls = session.operator(Ledger);
  const { since, out, revocation = false } = options;
  const subjects = subjectsOf(options);
  const [subject, ...others] = subjects;
  if (others.length > 0 || (subject === undefined) === (since === undefined)) {
    throw usageFailure("one of --jti, --serial, --issuance, --decision, --sequence and --since says what is proved");
  }
  const text =
    subject === undefined
      ? await continuation(calls, await textOf(since ?? "", session.context))
      : (await calls.prove({ subject, revocation })).proof;
  if (out === undefined) session.context.out.write(text);
  else await writeWhole(out, text);
}

type Subject = NonNullable<Parameters<ReturnType<typeof ledgerOf>["prove"]>[0]["subject"]>;
const ledgerOf = (session: Session) => session.operator(Ledger);

function subjectsOf({ jti, serial, issuance, decision, sequence }: ProveOptions): readonly Subject[] {
  return [
    ...(jti === undefined ? [] : [{ case: "jti", value: jti } as const]),
    ...(serial === undefined ? [] : [{ case: "serialNumber", value: serial } as const]),
    ...(issuance === undefined ? [] : [{ case: "issuanceId", value: issuance } as const]),
    ...(decision === undefined ? [] : [{ case: "decisionId", value: decision } as const]),
    ...(sequence === undefined ? [] : [{ case: "sequence", value: BigInt(sequence) } as const]),
  ];
}

async function continuation(calls: ReturnType<typeof ledgerOf>, earlier: string): Promise<string> {
  const checkpoint = parseCheckpointText(parseNote(earlier)?.text ?? "");
  if (checkpoint === undefined) throw usageFailure("--since: expected a file with a checkpoint");
  const proof = await calls.proveConsistency({ oldSize: BigInt(checkpoint.size) });
  return formatAddCheckpoint({ oldSize: checkpoint.size, hashes: proof.hashes, checkpoint: proof.checkpoint });
}

async function textOf(file: string, { input }: Context): Promise<string> {
  if (file === "-") return String(await readInput(input, FILE_BYTES_MAX, "standard input"));
  try {
    return await readFile(file, "utf8");
  } catch (thrown) {
    throw usageFailure(`${file}: can't be read (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`);
  }
}

function keyFlag(text: string): NoteKey {
  const key = parseNoteKey(text);
  if (key === undefined) throw new InvalidArgumentError("Expected a verifier key, as `stint ledger key` prints it.");
  return key;
}

function witnessFlag(text: string, before: readonly NoteKey[] | undefined): readonly NoteKey[] {
  return [...(before ?? []), keyFlag(text)];
}
