import type { Command } from "commander";
import { History } from "../../gen/stint/v1/history_pb.js";
import type { Context } from "../context.ts";
import { formatExplanation } from "../output/explanation-page.ts";
import { explanationView } from "../output/explanation-view.ts";
import { acting } from "../session.ts";

export function addExplain(explain: Command, context: Context): void {
  explain.argument("<decision>", "the decision that a refusal named, dec_…").action(
    acting(context, async (session, _options: object, decisionId: string) => {
      const explained = await session.operator(History).explain({ decisionId });
      if (session.globals.output === "table") session.context.out.write(formatExplanation(explained));
      else await session.print.one(explanationView, explained);
    }),
  );
}
