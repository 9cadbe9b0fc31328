import type { Command } from "commander";
import { Ledger } from "../../gen/stint/v1/ledger_pb.js";
import { addBackup } from "../backup/backup-command.ts";
import type { Context } from "../context.ts";
import { verifyLedger } from "../ledger/verify.ts";
import { ledgerView } from "../output/ledger-view.ts";
import { acting } from "../session.ts";
import { addLedgerProofs } from "./ledger-proofs.ts";
import { addLedgerRetention } from "./ledger-retention.ts";

export function addLedger(ledger: Command, context: Context): void {
  ledger
    .command("show")
    .description("its epoch, its head, and why nothing is issued when nothing is")
    .action(
      acting(context, async (session) => {
        await session.print.one(ledgerView, await session.operator(Ledger).get({}));
      }),
    );

  ledger
    .command("verify")
    .description("hash everything again, and compare it with tree, checkpoints and tables; nobody waits for it")
    .action(acting(context, verifyLedger));

  addLedgerProofs(ledger, context);
  addLedgerRetention(ledger, context);

  ledger
    .command("accept-restore")
    .description("accept a ledger put back from a backup: new epoch, every open step closed, every key replaced")
    .requiredOption("--reason <text>", "why; recorded")
    .action(
      acting(context, async (session, options: { readonly reason: string }) => {
        const calls = session.operator(Ledger);
        const { epoch, stepsClosed } = await calls.acceptRestore({ reason: options.reason });
        session.note(`epoch ${epoch} begins; steps closed: ${stepsClosed}; all signing keys replaced`);
        await session.print.one(ledgerView, await calls.get({}));
      }),
    );

  addBackup(ledger, context);
}
