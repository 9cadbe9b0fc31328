import type { Command } from "commander";
import type { Context } from "../context.ts";
import type { View } from "../output/view.ts";
import { acting, type Session } from "../session.ts";

type Calls = Pick<Session, "operator">;

/** What waits for approval, as the commands that answer it see it. */
export type Answerable<Shown> = {
  readonly what: "step" | "call";
  readonly approveDescription: string;
  readonly refuseDescription: string;
  readonly argument: { readonly name: string; readonly description: string; readonly parse: (text: string) => string };
  readonly view: View<Shown>;
  /** Of what waits now, which is what is approved; empty for what waits for nothing: why is for the broker to say. */
  readonly requestDigest: (calls: Calls, id: string) => Promise<string>;
  readonly approve: (
    calls: Calls,
    id: string,
    answer: { readonly requestDigest: string; readonly reason: string },
  ) => Promise<Shown | undefined>;
  readonly refuse: (calls: Calls, id: string, reason: string) => Promise<Shown | undefined>;
};

type ReasonOption = { readonly reason: string };

/** Adds `approve` and `refuse`, for operators with the role approver. */
export function addAnswers<Shown>(parent: Command, context: Context, answerable: Answerable<Shown>): void {
  const { what, argument, view } = answerable;
  const answer = (name: string, description: string, reason: string) =>
    parent
      .command(name)
      .description(`${description}, as an operator with the role approver`)
      .argument(argument.name, argument.description, argument.parse)
      .requiredOption("--reason <text>", reason);

  answer("approve", answerable.approveDescription, `why; recorded, and shown with the ${what}`).action(
    acting(context, async (session, { reason }: ReasonOption, id: string) => {
      const requestDigest = await answerable.requestDigest(session, id);
      const approved = await answerable.approve(session, id, { requestDigest, reason });
      if (approved !== undefined) await session.print.one(view, approved);
    }),
  );

  answer(
    "refuse",
    answerable.refuseDescription,
    `why; recorded, shown with the ${what}, and told to whoever asked`,
  ).action(
    acting(context, async (session, { reason }: ReasonOption, id: string) => {
      const refused = await answerable.refuse(session, id, reason);
      if (refused !== undefined) await session.print.one(view, refused);
    }),
  );
}
