import type { Command } from "commander";
import { History } from "../../gen/stint/v1/history_pb.js";
import type { Context } from "../context.ts";
import { verifierView } from "../output/verifier-view.ts";
import { acting } from "../session.ts";

export function addVerifier(verifier: Command, context: Context): void {
  verifier
    .command("list")
    .description(
      "registered verifiers: connected or not, how far they have applied the feed, and how far behind that is",
    )
    .action(
      acting(context, async (session) => {
        const { verifiers } = await session.operator(History).listVerifiers({});
        await session.print.rows(verifierView, verifiers);
      }),
    );
}
