import type { Command } from "commander";
import type { Context } from "../context.ts";
import { whoamiView } from "../output/whoami-view.ts";
import { acting } from "../session.ts";

export function addWhoami(program: Command, context: Context): void {
  program
    .command("whoami")
    .description("which entries this process matches, which steps it executes, and what the broker sees of it")
    .action(
      acting(context, async (session) => {
        const seen = await session.callers().whoAmI({});
        await session.print.one(whoamiView(session.globals.output === "table"), seen);
        if (seen.entries.length === 0) {
          session.note(
            "no registration entry matches: one of this process would name some of these selectors, and all would have to match",
          );
        }
      }),
    );
}
