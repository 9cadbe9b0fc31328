import type { Command } from "commander";
import type { Context } from "../context.ts";
import type { View } from "../output/view.ts";
import { acting } from "../session.ts";

export function addAuthority(program: Command, context: Context): void {
  program
    .command("authority")
    .description("what signs, and by which clock")
    .command("confirm-clock")
    .description("take the wall clock's word again, after it departed from the broker's own time and issuance stopped")
    .action(
      acting(context, async (session) => {
        await session.print.one(confirmedView, await session.operator().authorities.confirmClock({}));
      }),
    );
}

const confirmedView: View<{ readonly changedSeconds: number }> = {
  fields: [["changed_seconds", (confirmed) => confirmed.changedSeconds]],
  columns: [],
};
