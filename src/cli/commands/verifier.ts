import type { Command } from "commander";
import type { Context } from "../context.ts";
import { verifierView } from "../output/verifier-view.ts";
import { acting } from "../session.ts";

export function addVerifier(program: Command, context: Context): void {
  program
    .command("verifier")
    .description("who listens for revocations")
    .command("list")
    .description(
      "registered verifiers: connected or not, how far they have applied the feed, and how far behind that is",
    )
    .action(
      acting(context, async (session) => {
        const { verifiers } = await session.operator().history.listVerifiers({});
        await session.print.rows(verifierView, verifiers);
      }),
    );
}
