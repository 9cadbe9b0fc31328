import type { Command } from "commander";
import { Retention } from "../../gen/stint/v1/retention_pb.js";
import type { Context } from "../context.ts";
import { dueView, prunedView, retentionView } from "../output/retention-view.ts";
import { acting } from "../session.ts";

/** A snapshot of a large ledger takes many minutes, and the broker prunes on when nobody waits any more. */
const DAY_MS = 86_400_000;

/** For how long the log says what it says. Holds are commands of their own. */
export function addLedgerRetention(ledger: Command, context: Context): void {
  ledger
    .command("retention")
    .description("for how many seconds the log keeps what its events say, by class, and what was pruned so far")
    .action(
      acting(context, async (session) => {
        await session.print.one(retentionView, await session.operator(Retention).get({}));
      }),
    );

  ledger
    .command("prune")
    .description("prune at once what is over for long enough, as the broker does once a day; as an admin")
    .option("--dry-run", "prune nothing, and show what is due; what is alive or held is counted too, and stays", false)
    .action(
      acting(context, async (session, { dryRun }: { readonly dryRun: boolean }) => {
        const answer = await session.operator(Retention).prune({ dryRun }, { deadlineMs: DAY_MS });
        if (dryRun) await session.print.rows(dueView, answer.due);
        else await session.print.one(prunedView, answer);
      }),
    );
}
