import type { Command } from "commander";
import { Console, type ConsoleOpenResponse } from "../../gen/stint/v1/console_pb.js";
import type { Context } from "../context.ts";
import { instantCell, instantField } from "../output/fields.ts";
import type { View } from "../output/view.ts";
import { acting } from "../session.ts";

const openedView: View<ConsoleOpenResponse> = {
  fields: [
    ["url", ({ url }) => url],
    ["expires_at", ({ expiresAt }) => instantField(expiresAt)],
  ],
  columns: [],
};

export function addConsole(command: Command, context: Context): void {
  command
    .command("open")
    .description("a link that signs whoever opens it first in as you")
    .action(
      acting(context, async (session) => {
        const opened = await session.operator(Console).open({});
        // The link alone, so that it can be given to a browser: xdg-open "$(stint console open)".
        if (session.globals.output === "table") context.out.write(`${opened.url}\n`);
        else await session.print.one(openedView, opened);
        session.note(`good once, until ${instantCell(opened.expiresAt)}`);
      }),
    );
}
