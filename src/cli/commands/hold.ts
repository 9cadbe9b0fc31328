import type { Command } from "commander";
import { type PlaceHoldRequest, Retention } from "../../gen/stint/v1/retention_pb.js";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { holdView } from "../output/hold-view.ts";
import { acting } from "../session.ts";

type PlaceOptions = {
  readonly run?: string;
  readonly agent?: string;
  readonly principal?: string;
  readonly subject?: string;
  readonly reason: string;
};

/** What is kept for longer than the log keeps it, because somebody will ask for it. */
export function addHold(hold: Command, context: Context): void {
  hold
    .command("list")
    .description("the holds that stand, in the order in which they were placed")
    .action(
      acting(context, async (session) => {
        const { holds } = await session.operator(Retention).get({});
        await session.print.rows(holdView, holds);
      }),
    );

  hold
    .command("place")
    .description("keep what concerns a run, an agent or a principal until the hold is lifted, as an admin")
    .option("--run <id>", "this run")
    .option("--agent <name>", "all of this agent")
    .option("--principal <issuer>", "iss of the principal's tokens, with --subject; or, alone, a principal_id")
    .option("--subject <sub>", "sub of the principal's tokens")
    .requiredOption("--reason <text>", "why; recorded")
    .action(
      acting(context, async (session, options: PlaceOptions) => {
        const { reason } = options;
        const { holdId, sequence } = await session.operator(Retention).placeHold({ scope: scopeOf(options), reason });
        context.out.write(`${holdId}\n`);
        session.note(sequence === 0n ? "the hold stood before" : "nothing that it concerns is pruned from here on");
      }),
    );

  hold
    .command("lift")
    .description("let go of what a hold kept, as an admin")
    .argument("<hold_id>", "as list shows it")
    .requiredOption("--reason <text>", "why; recorded")
    .action(
      acting(context, async (session, { reason }: { readonly reason: string }, holdId: string) => {
        await session.operator(Retention).liftHold({ holdId, reason });
        session.note("lifted: the next pruning takes what is over for long enough");
      }),
    );
}

/** @throws Failure */
function scopeOf({ run, agent, principal, subject }: PlaceOptions): PlaceHoldRequest["scope"] {
  const scopes: PlaceHoldRequest["scope"][] = [];
  if (run !== undefined) scopes.push({ case: "runId", value: run });
  if (agent !== undefined) scopes.push({ case: "agent", value: agent });
  if (principal !== undefined && subject === undefined) scopes.push({ case: "principalId", value: principal });
  if (principal !== undefined && subject !== undefined) {
    scopes.push({ case: "principal", value: { $typeName: "stint.v1.Principal", issuer: principal, subject } });
  }
  const [scope] = scopes;
  if (scope === undefined || scopes.length > 1 || (subject !== undefined && principal === undefined)) {
    throw usageFailure("one of --run, --agent and --principal says what is held");
  }
  return scope;
}
