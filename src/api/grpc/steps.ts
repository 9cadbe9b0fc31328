import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ClosePorts, closeStep, receiptsOf } from "../../close/close-step.ts";
import { closureAfter, closuresAfter } from "../../close/closure.ts";
import { type ClosureReceiptPorts, closureReceipt } from "../../close/closure-receipt.ts";
import { accessTo, isVisibleTo, operatorRole, visibleTo } from "../../decide/step-access.ts";
import { invalidField, isDenial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { ownedBy } from "../../domain/owner.ts";
import type { Attested, Delivery } from "../../domain/stages.ts";
import type { Step } from "../../domain/step.ts";
import {
  type OpenRequest as OpenMessage,
  Outcome,
  type Steps,
  type WatchClosureResponseSchema,
} from "../../gen/stint/v1/steps_pb.js";
import type { SvidWanted } from "../../issue/entitle.ts";
import type { IssuePorts } from "../../issue/issue-svids.ts";
import type { ApprovePorts } from "../../open/approve-step.ts";
import { type EnrollPorts, enrollProcess } from "../../open/enroll-process.ts";
import { openAndIssue } from "../../open/open-and-issue.ts";
import { checkOpenRequest, type OpenRequest } from "../../open/open-request.ts";
import type { OpenPorts } from "../../open/open-step.ts";
import { type RenewPorts, renewStep } from "../../open/renew-step.ts";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import type { StandingExchanges } from "../../ports/standing-exchanges.ts";
import { standingExchangeMessageOf } from "../../wire/exchange-message.ts";
import { grantMessageOf, grantOfMessage } from "../../wire/grant-message.ts";
import { executorOfMessage, processMessageOf } from "../../wire/process-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { msOfDuration, secondsOfDuration, secondsOfTimestamp } from "../../wire/timestamps.ts";
import { type Endpoint, unary } from "./call.ts";
import { closureMessageOf } from "./closure-message.ts";
import { type HoldHandlerPorts, holdHandler } from "./hold.ts";
import { nextPageToken, pageOf, stepStatesOf } from "./paging.ts";
import { receiptsMessageOf } from "./receipts-message.ts";
import { type ShownPorts, shownStep } from "./shown-step.ts";
import { serverStreaming } from "./streaming.ts";
import { jwtSvidOutcomeOf, jwtSvidsWantedOf, x509SvidMessageOf } from "./svid-messages.ts";

export type StepsPorts = OpenPorts &
  IssuePorts &
  EnrollPorts &
  HoldHandlerPorts &
  RenewPorts &
  ClosePorts &
  ClosureReceiptPorts &
  ApprovePorts & {
    readonly history: Pick<HistoryReads, "steps" | "stepTree" | "closedBy" | "takenBack">;
    readonly exchanges: StandingExchanges;
  };

const OUTCOMES = {
  [Outcome.COMPLETED]: "COMPLETED",
  [Outcome.FAILED]: "FAILED",
  [Outcome.CANCELLED]: "CANCELLED",
} as const satisfies Partial<Record<Outcome, string>>;

export function stepsHandlers(endpoint: Endpoint, ports: StepsPorts): HandlersOf<typeof Steps> {
  return {
    open: unary(endpoint, "Steps.Open", async (message, caller, ids) => {
      const request = openRequestOf(message);
      Object.assign(ids, { runId: request.runId, step: request.step, agent: request.agent });
      const wanted = wantedOf(message, request);
      const opened = await openAndIssue(caller, request, wanted, ports);
      ids["stepId"] = opened.step.stepId;
      const x509Svid = opened.svids.find((one): one is Delivery => !isDenial(one) && one.kind === "x509-svid");
      const jwtSvids = opened.svids.filter((_, index) => wanted[index]?.kind === "jwt-svid");
      return {
        step: await messageFor(caller, opened.step, ports),
        jwtSvids: jwtSvids.map(jwtSvidOutcomeOf),
        ...(x509Svid === undefined ? {} : { x509Svid: x509SvidMessageOf(x509Svid, ports.authorities) }),
        ...(opened.refused.length === 0 ? {} : { refused: grantMessageOf(opened.refused) }),
      };
    }),
    enroll: unary(endpoint, "Steps.Enroll", async ({ pid }, caller) => {
      const { process, sequence } = await enrollProcess(caller, pid, ports);
      return { process: processMessageOf(process), sequence: BigInt(sequence) };
    }),
    hold: holdHandler(endpoint, ports),
    renew: unary(endpoint, "Steps.Renew", async (request, caller, ids) => {
      ids["stepId"] = request.stepId;
      return { step: await messageFor(caller, await renewStep(caller, request.stepId, ports), ports) };
    }),
    close: unary(endpoint, "Steps.Close", async (request, caller, ids) => {
      ids["stepId"] = request.stepId;
      const outcome = OUTCOMES[request.outcome as keyof typeof OUTCOMES];
      if (outcome === undefined) throw invalidField("outcome", "COMPLETED, FAILED or CANCELLED");
      const awaitReceiptsMs =
        request.awaitReceipts === undefined ? 0 : msOfDuration(request.awaitReceipts, "await_receipts");
      const { step, result, receipts, stillAlive } = await closeStep(
        caller,
        { stepId: request.stepId, outcome, awaitReceiptsMs },
        ports,
      );
      return {
        step: await messageFor(caller, step, ports),
        sequence: BigInt(result.sequence),
        credentialsRevoked: result.credentialsRevoked,
        descendantsClosed: Math.max(0, result.stepsClosed - 1),
        receipts: receiptsMessageOf(receipts),
        stillAlive: stillAlive.map(standingExchangeMessageOf),
      };
    }),
    get: unary(endpoint, "Steps.Get", async (request, caller) => {
      const { step } = visibleTo(caller, await named(request.by, ports));
      const { closedSequence } = step;
      return {
        step: await messageFor(caller, step, ports),
        exchanges: ports.exchanges.ofStep(step.stepId).map(standingExchangeMessageOf),
        ...(closedSequence === undefined ? {} : await afterCloseOf(closedSequence, ports)),
      };
    }),
    watchClosure: serverStreaming(endpoint, "Steps.WatchClosure", (request, { caller, ids, signal }) => {
      ids["stepId"] = request.stepId;
      return closureMessages(caller, request.stepId, signal, ports);
    }),
    getClosureReceipt: unary(endpoint, "Steps.GetClosureReceipt", async (request, caller) => {
      const { step } = visibleTo(caller, await named(request.by, ports));
      return { receipt: await closureReceipt(step, ports) };
    }),
    getTree: unary(endpoint, "Steps.GetTree", async (request, caller) => {
      const { step } = visibleTo(caller, await named(request.by, ports));
      const { steps, isCut } = await ports.history.stepTree(step.stepId, LIMITS.stepTreeMax);
      const shown = steps.filter((one) => isVisibleTo(caller, one));
      return {
        stepId: step.stepId,
        steps: await Promise.all(shown.map((one) => messageFor(caller, one, ports))),
        hidden: steps.length - shown.length,
        truncated: isCut,
      };
    }),
    list: unary(endpoint, "Steps.List", async (request, caller) => {
      const page = pageOf(request.pageSize, request.pageToken);
      const states = stepStatesOf(request.states);
      const filter = {
        ...page,
        ...(request.runId === "" ? {} : { runId: request.runId }),
        ...(request.agent === "" ? {} : { agent: request.agent }),
        ...(states.length === 0 ? {} : { states }),
      };
      const steps =
        operatorRole(caller) === undefined ? await ownSteps(caller, filter, ports) : await ports.history.steps(filter);
      return {
        steps: await Promise.all(steps.map((step) => messageFor(caller, step, ports))),
        nextPageToken: nextPageToken(steps, page.limit, (step) => step.openedSequence),
      };
    }),
  };
}

/** What has come of a close, for whoever looks at a step. */
async function afterCloseOf(closedSequence: number, ports: StepsPorts) {
  const [receipts, closure] = await Promise.all([
    receiptsOf(closedSequence, 0, ports),
    closureAfter(closedSequence, ports),
  ]);
  return {
    receipts: receiptsMessageOf(receipts),
    ...(closure === undefined ? {} : { closure: closureMessageOf(closure) }),
  };
}

async function* closureMessages(
  caller: Attested,
  stepId: string,
  signal: AbortSignal,
  ports: StepsPorts,
): AsyncGenerator<MessageInitShape<typeof WatchClosureResponseSchema>, void, void> {
  const { step } = visibleTo(caller, await ports.stepDirectory.byId(stepId));
  const closedSequence = step.closedSequence ?? (await whenClosed(step.stepId, signal, ports));
  if (closedSequence === undefined) return;
  for await (const closure of closuresAfter(closedSequence, signal, ports)) {
    yield { closure: closureMessageOf(closure) };
  }
}

/** The sequence of a step's close, once it is closed; `undefined` when nobody waits for it any more. */
async function whenClosed(
  stepId: string,
  signal: AbortSignal,
  { stepDirectory }: Pick<StepsPorts, "stepDirectory">,
): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const isOver = ({ closedSequence }: Step) => closedSequence !== undefined && resolve(closedSequence);
  const unfollow = stepDirectory.followStep(stepId, isOver);
  const leave = () => resolve(undefined);
  signal.addEventListener("abort", leave);
  try {
    // It may have been closed before anyone followed it.
    const step = await stepDirectory.byId(stepId);
    if (step !== undefined) isOver(step);
    return await promise;
  } finally {
    unfollow();
    signal.removeEventListener("abort", leave);
  }
}

/** Steps of the caller's runs, newest first. */
async function ownSteps(
  caller: Attested,
  filter: Parameters<HistoryReads["steps"]>[0],
  ports: StepsPorts,
): Promise<readonly Step[]> {
  const pages = await Promise.all(
    caller.entries.map((entry) => ports.history.steps({ ...filter, runOwner: ownedBy(entry.entryId, caller.process) })),
  );
  return pages
    .flat()
    .sort((a, b) => b.openedSequence - a.openedSequence)
    .slice(0, filter.limit);
}

function openRequestOf(message: OpenMessage): OpenRequest {
  return checkOpenRequest({
    runId: message.runId,
    step: message.step,
    attempt: message.attempt,
    agent: message.agent,
    workflow: message.workflow,
    purpose: message.purpose,
    grant: message.grant === undefined ? [] : grantOfMessage(message.grant, { ceiling: false }, "grant"),
    audiences: message.audiences,
    expiresAt: message.expiresAt === undefined ? undefined : secondsOfTimestamp(message.expiresAt, "expires_at"),
    leaseSeconds: message.lease === undefined ? undefined : secondsOfDuration(message.lease, "lease"),
    parentStepId: message.parentStepId,
    parentToken: message.parentToken,
    executor: executorOfMessage(message.executor),
    requestId: message.requestId,
    allowPartial: message.allowPartial,
    acceptPending: message.acceptPending,
    principalToken: message.principalToken,
  });
}

function wantedOf(message: OpenMessage, request: OpenRequest): readonly SvidWanted[] {
  const { credentials } = message;
  if (credentials === undefined) return [];
  const { executor } = request;
  const isCaller = executor.kind === "self" || (executor.kind === "tree" && executor.pid === undefined);
  if (!isCaller) throw invalidField("credentials", "absent unless the executor is the caller itself");
  const jwtSvids = jwtSvidsWantedOf(credentials.jwtSvids, "credentials.jwt_svids");
  return credentials.csr.length === 0 ? jwtSvids : [{ kind: "x509-svid", csr: credentials.csr }, ...jwtSvids];
}

function messageFor(caller: Attested, step: Step, ports: ShownPorts): ReturnType<typeof shownStep> {
  const access = accessTo(step, caller);
  return shownStep(step, { processes: access.asOpener || access.asOperator !== undefined }, ports);
}

type Named =
  | { readonly case: "stepId"; readonly value: string }
  | { readonly case: "name"; readonly value: { runId: string; step: string; attempt: number } }
  | { readonly case: undefined };

async function named(by: Named, ports: StepsPorts): Promise<Step | undefined> {
  switch (by.case) {
    case "stepId":
      return ports.stepDirectory.byId(by.value);
    case "name": {
      const { runId, step, attempt } = by.value;
      const newest = await ports.steps.newestAttempt(runId, step);
      if (attempt === 0 || newest?.attempt === attempt) return newest;
      const attempts = await ports.history.steps({ runId, step, limit: 500 });
      return attempts.find((one) => one.attempt === attempt);
    }
    case undefined:
      throw invalidField("by", "a step_id or a name");
  }
}
