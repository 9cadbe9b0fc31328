import { type Command, InvalidArgumentError, Option } from "commander";
import type { StepState } from "../../domain/step.ts";
import { type CloseResponse, type OpenResponse, Outcome } from "../../gen/stint/v1/steps_pb.js";
import {
  type Closure,
  ClosureState,
  type Receipts,
  type StandingExchange,
  type Step,
} from "../../gen/stint/v1/types_pb.js";
import { awaitClosure } from "../../sdk/runtime/await-closure.ts";
import { durationOfSeconds } from "../../wire/timestamps.ts";
import { closureSentence } from "../closure-sentence.ts";
import type { Context } from "../context.ts";
import { EXIT, Failure } from "../failure.ts";
import { countFlag, durationFlag } from "../flags.ts";
import { addOpenFlags, type OpenOptions, opened, openRequestOf, type WantedExecutor } from "../open-flags.ts";
import { closureFields } from "../output/closure-fields.ts";
import { standingField } from "../output/exchange-view.ts";
import { grantField } from "../output/fields.ts";
import { pendingView } from "../output/pending-view.ts";
import { receiptFields } from "../output/receipts-fields.ts";
import { stepTreeView, treeRowsOf } from "../output/step-tree-view.ts";
import { stepView } from "../output/step-view.ts";
import type { View } from "../output/view.ts";
import { addPaging, type PagingOptions, rowsOf } from "../paging.ts";
import { receiptsSentence } from "../receipts-sentence.ts";
import { acting, type Session } from "../session.ts";
import { writeWhole } from "../write-whole.ts";
import { addStates, statesOf } from "./history.ts";
import { addStepApproval } from "./step-approval.ts";
import { addStepRun } from "./step-run.ts";

const OUTCOMES = {
  completed: Outcome.COMPLETED,
  failed: Outcome.FAILED,
  cancelled: Outcome.CANCELLED,
} as const;

/** As long as a credential of ordinary life may be accepted where nobody listens. */
const UNTIL_SECONDS = 180;

type ListOptions = PagingOptions & {
  readonly run?: string;
  readonly agent?: string;
  readonly state?: readonly Lowercase<StepState>[];
};
type CloseOptions = {
  readonly outcome: keyof typeof OUTCOMES;
  readonly awaitReceipts?: number;
  readonly until?: "closed";
  readonly atMost: number;
};

export function addStep(step: Command, context: Context): void {
  addOpenFlags(step.command("open").description("open a step, as a runtime of the workload endpoint"))
    .requiredOption(
      "--executor <any|pid|tree:pid>",
      "who may fetch its credentials: any process of the agent, one, or one with those that it started",
      executorFlag,
    )
    .option("--lease <time>", "abandoned when this long passes without a renewal", durationFlag)
    .option("--request-id <id>", "makes a repeated call answer with the same step")
    .action(
      acting(context, async (session, options: OpenOptions & { readonly executor: WantedExecutor }) => {
        const request = openRequestOf(options, options.executor, context.now());
        await session.print.one(openedView, await opened(session.workload().open(request), options, session));
      }),
    );

  addPaging(addStates(step.command("list").description("steps, newest first")))
    .option("--run <run>", "of this run")
    .option("--agent <agent>", "of this agent")
    .action(
      acting(context, async (session, options: ListOptions) => {
        const { list } = session.readableSteps();
        const rows = await rowsOf(
          session,
          options,
          (page) =>
            list({ runId: options.run ?? "", agent: options.agent ?? "", states: statesOf(options.state), ...page }),
          (page) => page.steps,
        );
        const isPending = options.state?.length === 1 && options.state[0] === "pending_approval";
        await session.print.rows(isPending ? pendingView : stepView, rows);
      }),
    );

  step
    .command("show")
    .description("one step, and who has applied its close")
    .argument("<step>", "its id, or run/step, or run/step/attempt", stepArgument)
    .option("--tree", "who delegated to whom: the step with its ancestors and descendants, open or closed")
    .action(
      acting(context, async (session, { tree }: { readonly tree?: true }, by: StepReference) => {
        if (tree === true) return showTree(session, by);
        const { step: shown, receipts, exchanges, closure } = await session.readableSteps().get({ by });
        if (shown === undefined) return;
        await session.print.one(closedView(session), { step: shown, receipts, exchanges, closure });
      }),
    );

  step
    .command("close")
    .description("close a step with all its descendants, and revoke what they hold")
    .argument("<step>", "its id, or run/step, or run/step/attempt", stepArgument)
    .addOption(new Option("--outcome <outcome>", "how it went").choices(Object.keys(OUTCOMES)).default("completed"))
    .option(
      "--await-receipts <time>",
      "wait until every verifier has applied it or lapsed, at most this long",
      durationFlag,
    )
    .addOption(
      new Option(
        "--until <state>",
        "wait until nobody can accept any more what it held; exit status 1 if it is not then",
      ).choices(["closed"]),
    )
    .option("--at-most <time>", "how long --until waits", durationFlag, UNTIL_SECONDS)
    .action(
      acting(context, async (session, options: CloseOptions, by: StepReference) => {
        const steps = session.workload();
        const stepId = by.case === "stepId" ? by.value : ((await steps.get({ by })).step?.stepId ?? "");
        const awaited = options.awaitReceipts ?? 0;
        const closed = await steps.close(
          {
            stepId,
            outcome: OUTCOMES[options.outcome],
            ...(awaited === 0 ? {} : { awaitReceipts: durationOfSeconds(awaited) }),
          },
          { deadlineMs: (session.globals.timeout + awaited) * 1_000 },
        );
        if (options.until === undefined) return session.print.one(closedView(session), closed);
        const closure = await awaitClosure(steps, stepId, { waitMs: options.atMost * 1_000 });
        await session.print.one(closedView(session), { ...closed, closure });
        if (closure?.state !== ClosureState.CLOSED) {
          throw new Failure("the step is closed; what it held may still be accepted", EXIT.refused);
        }
      }),
    );

  step
    .command("receipt")
    .description(
      "what the broker states of a closed step's closure, signed, for somebody who does not trust the broker",
    )
    .argument("<step>", "its id, or run/step, or run/step/attempt", stepArgument)
    .option("--out <file>", "where to; otherwise to standard output")
    .action(
      acting(context, async (session, { out }: { readonly out?: string }, by: StepReference) => {
        const { receipt } = await session.readableSteps().getClosureReceipt({ by });
        if (out === undefined) context.out.write(receipt);
        else await writeWhole(out, receipt);
      }),
    );

  addStepApproval(step, context);
  addStepRun(step, context);
}

async function showTree(session: Session, by: StepReference): Promise<void> {
  const { stepId, steps, hidden, truncated } = await session.readableSteps().getTree({ by });
  await session.print.rows(stepTreeView, treeRowsOf(steps, stepId));
  if (hidden > 0) session.note(`${hidden} more in this tree, which other entries opened, are shown to operators`);
  if (truncated) session.note("there are further descendants: ask for the tree of one of those shown");
}

/** @throws InvalidArgumentError */
export function executorFlag(text: string): WantedExecutor {
  if (text === "any") return { case: "any", value: {} };
  const [, tree, digits] = /^(tree:)?([1-9][0-9]*)$/.exec(text) ?? [];
  const pid = digits === undefined ? 0 : countFlag(digits);
  if (pid === 0) throw new InvalidArgumentError("Expected any, the pid of a process, or tree: and a pid.");
  return tree === undefined ? { case: "pid", value: pid } : { case: "tree", value: { pid } };
}

export type StepReference =
  | { readonly case: "stepId"; readonly value: string }
  | {
      readonly case: "name";
      readonly value: { readonly runId: string; readonly step: string; readonly attempt: number };
    };

/**
 * A step by its id or by its name, whose parts are segments and so without a slash.
 *
 * @throws InvalidArgumentError
 */
export function stepArgument(text: string): StepReference {
  const [runId = "", step = "", attempt, ...rest] = text.split("/");
  if (runId !== "" && text === runId) return { case: "stepId", value: text };
  const number = attempt === undefined ? 0 : /^[1-9][0-9]*$/.test(attempt) ? countFlag(attempt) : Number.NaN;
  if (runId === "" || step === "" || rest.length > 0 || Number.isNaN(number)) {
    throw new InvalidArgumentError("Expected a step id, run/step, or run/step/attempt.");
  }
  return { case: "name", value: { runId, step, attempt: number } };
}

const ofStep = stepView.fields.map(
  ([name, value]) =>
    [name, ({ step }: { readonly step?: Step | undefined }) => (step === undefined ? undefined : value(step))] as const,
);

const openedView: View<OpenResponse> = {
  fields: [...ofStep, ["refused", ({ refused }) => (refused === undefined ? undefined : grantField(refused))]],
  columns: [],
};

type Closed = {
  readonly step?: Step | undefined;
  readonly receipts?: Receipts | undefined;
  readonly exchanges?: readonly StandingExchange[];
  readonly closure?: Closure | undefined;
} & Partial<Pick<CloseResponse, "credentialsRevoked" | "descendantsClosed" | "stillAlive">>;

/** For people receipts and exchanges are sentences, for programs data. */
function closedView({ globals, context }: Session): View<Closed> {
  const receiptsField = (receipts: Receipts) =>
    globals.output === "table" ? receiptsSentence(receipts, context.now()) : receiptFields(receipts);
  const closureField = (closure: Closure) =>
    globals.output === "table" ? closureSentence(closure, context.now()) : closureFields(closure);
  return {
    fields: [
      ...ofStep,
      ["credentials_revoked", ({ credentialsRevoked }) => credentialsRevoked],
      ["descendants_closed", ({ descendantsClosed }) => descendantsClosed],
      ["receipts", ({ receipts }) => (receipts === undefined ? undefined : receiptsField(receipts))],
      ["closure", ({ closure }) => (closure === undefined ? undefined : closureField(closure))],
      ["exchanges", ({ exchanges }) => standingField(exchanges, globals.output)],
      ["still_alive", ({ stillAlive }) => standingField(stillAlive, globals.output)],
    ],
    columns: [],
  };
}
