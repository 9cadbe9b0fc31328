import type { Command } from "commander";
import type { Context } from "../context.ts";
import { ledgerView } from "../output/ledger-view.ts";
import { acting } from "../session.ts";

export function addLedger(program: Command, context: Context): void {
  const ledger = program.command("ledger").description("the append-only log of everything");

  ledger
    .command("show")
    .description("its epoch, its head, and why nothing is issued when nothing is")
    .action(
      acting(context, async (session) => {
        await session.print.one(ledgerView, await session.operator().ledger.get({}));
      }),
    );

  ledger
    .command("accept-restore")
    .description("accept a ledger put back from a backup: new epoch, every open step closed, every key replaced")
    .requiredOption("--reason <text>", "why; recorded")
    .action(
      acting(context, async (session, options: { readonly reason: string }) => {
        const operator = session.operator();
        const { epoch, stepsClosed } = await operator.ledger.acceptRestore({ reason: options.reason });
        session.note(`epoch ${epoch} begins; steps closed: ${stepsClosed}; all signing keys replaced`);
        await session.print.one(ledgerView, await operator.ledger.get({}));
      }),
    );
}
