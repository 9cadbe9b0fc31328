import type { Command } from "commander";
import type { Context } from "../context.ts";
import { formatExplanation } from "../output/explanation-page.ts";
import { explanationView } from "../output/explanation-view.ts";
import { acting } from "../session.ts";

export function addExplain(program: Command, context: Context): void {
  program
    .command("explain")
    .argument("<decision>", "the decision that a refusal named, dec_…")
    .description("why a decision came out as it did, and what would have passed instead")
    .action(
      acting(context, async (session, _options: object, decisionId: string) => {
        const explained = await session.operator().history.explain({ decisionId });
        if (session.globals.output === "table") session.context.out.write(formatExplanation(explained));
        else await session.print.one(explanationView, explained);
      }),
    );
}
