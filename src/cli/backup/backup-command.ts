import type { Command } from "commander";
import type { Context } from "../context.ts";
import { acting } from "../session.ts";

export function addBackup(ledger: Command, context: Context): void {
  ledger
    .command("backup")
    .argument("<out>", "a new directory, or - for the copy alone on standard output")
    .description(
      "a verified copy of the ledger while it goes on; without the keys, which are files of the data directory",
    )
    .action(
      acting(context, async (session, _options: object, out: string) => {
        // Loaded where it is run, as what an export needs is.
        const { runBackup } = await import("./run-backup.ts");
        await runBackup(session, out);
      }),
    );
}
