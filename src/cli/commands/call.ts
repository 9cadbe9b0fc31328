import { type Command, InvalidArgumentError, Option } from "commander";
import { CALL_APPROVAL_STATES, type CallApprovalState } from "../../domain/call-approval.ts";
import { Approvals } from "../../gen/stint/v1/approvals_pb.js";
import { callApprovalStateMessageOf } from "../../wire/call-approval-message.ts";
import type { Context } from "../context.ts";
import { listFlag } from "../flags.ts";
import { callApprovalView } from "../output/call-approval-view.ts";
import { addPaging, type PagingOptions, rowsOf } from "../paging.ts";
import { acting } from "../session.ts";
import { addAnswers } from "./answering.ts";

type ListOptions = PagingOptions & {
  readonly run?: string;
  readonly agent?: string;
  readonly state?: readonly CallApprovalState[];
};

/** Single calls of tools that policies hold back, each until an approver has looked at it. */
export function addCall(call: Command, context: Context): void {
  addPaging(call.command("list").description("calls that wait for approval, or did, newest first"))
    .addOption(stateOption())
    .option("--run <run>", "of this run")
    .option("--agent <agent>", "of this agent")
    .action(
      acting(context, async (session, options: ListOptions) => {
        const states = (options.state ?? []).map(callApprovalStateMessageOf);
        const approvals = session.operator(Approvals);
        const rows = await rowsOf(
          session,
          options,
          (page) =>
            approvals.listCalls({ filter: { runId: options.run ?? "", agent: options.agent ?? "", ...page }, states }),
          ({ calls }) => calls,
        );
        await session.print.rows(callApprovalView, rows);
      }),
    );

  call
    .command("show")
    .description("one call that waits or did: of which step, by which policies, and who answered")
    .argument("<approval-id>", "as the list says it", approvalId)
    .action(
      acting(context, async (session, _options: object, id: string) => {
        const { call: shown } = await session.operator(Approvals).getCall({ approvalId: id });
        if (shown !== undefined) await session.print.one(callApprovalView, shown);
      }),
    );

  addAnswers(call, context, {
    what: "call",
    approveDescription: "let a call that waits be made once",
    refuseDescription: "refuse a call that waits",
    argument: { name: "<approval-id>", description: "as the list says it", parse: approvalId },
    view: callApprovalView,
    async requestDigest({ operator }, id) {
      const { call: asked } = await operator(Approvals).getCall({ approvalId: id });
      return asked?.requestDigest ?? "";
    },
    approve: async ({ operator }, id, answer) =>
      (await operator(Approvals).approveCall({ approvalId: id, ...answer })).call,
    refuse: async ({ operator }, id, reason) => (await operator(Approvals).refuseCall({ approvalId: id, reason })).call,
  });
}

/** `pending` is what waits, as with steps. */
function stateOption(): Option {
  return new Option("--state <state>", "in one of these states; may be repeated")
    .choices([...CALL_APPROVAL_STATES, "pending"])
    .argParser((text: string, before: readonly string[] | undefined) => {
      const state = text === "pending" ? "waiting" : text;
      if (!(CALL_APPROVAL_STATES as readonly string[]).includes(state)) {
        throw new InvalidArgumentError(`Allowed choices are ${CALL_APPROVAL_STATES.join(", ")}.`);
      }
      return listFlag(state, before);
    });
}

/** @throws InvalidArgumentError */
function approvalId(text: string): string {
  if (!text.startsWith("call_")) throw new InvalidArgumentError("Expected the id of a call that was asked about.");
  return text;
}
