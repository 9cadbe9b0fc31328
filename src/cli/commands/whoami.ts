import type { Command } from "commander";
import { Callers } from "../../gen/stint/v1/callers_pb.js";
import type { Context } from "../context.ts";
import { whoamiView } from "../output/whoami-view.ts";
import { acting } from "../session.ts";

export function addWhoami(whoami: Command, context: Context): void {
  whoami.action(
    acting(context, async (session) => {
      const seen = await session.atWorkload(Callers).whoAmI({});
      await session.print.one(whoamiView(session.globals.output === "table"), seen);
      if (seen.withoutOpening !== "") {
        const of = seen.descendsFrom === undefined ? "" : ` (process ${seen.descendsFrom.pid})`;
        session.note(`this process opens no steps by ${seen.opensNotBy.join(", ")}${of}: ${seen.withoutOpening}`);
      }
      if (seen.entries.length === 0) {
        session.note(
          "no entry of the broker's matches this process: one that does would name some of these selectors and no other",
        );
      }
    }),
  );
}
