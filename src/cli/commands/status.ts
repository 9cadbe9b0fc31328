import type { Command } from "commander";
import type { Context } from "../context.ts";
import { EXIT, ExitStatus } from "../failure.ts";
import { authorityView } from "../output/authority-view.ts";
import { statusView, summaryView } from "../output/status-view.ts";
import { verifierView } from "../output/verifier-view.ts";
import { acting } from "../session.ts";

export function addStatus(program: Command, context: Context): void {
  program
    .command("status")
    .description(
      "how the broker is: ready or why not, its ledger, keys, verifiers and disk; exits with 1 when not ready",
    )
    .action(
      acting(context, async (session) => {
        const status = await session.operator().status.get({});
        if (session.globals.output === "table") {
          await session.print.one(summaryView, status);
          context.out.write("\n");
          await session.print.rows(authorityView, status.authorities);
          context.out.write("\n");
          await session.print.rows(verifierView, status.verifiers);
        } else await session.print.one(statusView, status);
        if (!status.ready) throw new ExitStatus(EXIT.refused);
      }),
    );
}
