// Pieces of the guide for agent runtimes; each is run by examples.test.ts, the call by test/sdk/mcp/call-approval.test.ts.
import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Server } from "node:https";
import {
  createStint,
  currentStep,
  type Grant,
  isStintError,
  mcpRefusalOf,
  type Step,
  type Stint,
  segment,
} from "stint-sdk/runtime";
import { outcomeOf } from "./framework-outcomes.ts";

/** A step that is opened by hand. */
export async function openByHand(stint: Stint, runId: string, grant: Grant, url: string): Promise<string> {
  // #region open
  await using step = await stint.openStep({ runId, step: "summarize", grant });
  const response = await step.fetch(url);
  await step.close(response.ok ? "COMPLETED" : "FAILED");
  // #endregion
  return step.stepId;
}

/** A part of a step's authority for another process. */
export async function delegate(parent: Step, executorPid: number, narrower: Grant): Promise<Step> {
  // #region delegate
  const child = await parent.openStep({
    step: "skim",
    agent: "reader",
    grant: narrower, // not within the parent's: refused
    executor: { pid: executorPid }, // the only process that is given its credentials
  });
  // #endregion
  return child;
}

/** In the process that the step is for. */
export async function takeUp(stint: Stint, stepId: string): Promise<Step> {
  // #region resume
  const step = await stint.resumeStep({ stepId });
  // #endregion
  return step;
}

/** A child that is a runtime of its own. */
export async function enroll(stint: Stint, program: string): Promise<ChildProcess> {
  // #region enroll
  const worker = spawn(process.execPath, [program]);
  if (worker.pid !== undefined) await stint.enroll(worker.pid);
  // #endregion
  return worker;
}

/** What a refusal looks like. */
export async function explain(stint: Stint, runId: string, grant: Grant): Promise<string> {
  // #region errors
  try {
    return await stint.withStep({ runId, step: "publish", grant }, async () => "published");
  } catch (error) {
    if (isStintError(error, "POLICY_DENIED")) {
      const { decisionId, refused = [], approval } = error.denial ?? {};
      const which = refused.map(({ element, layer }) => `${element.identifier} (${layer})`).join(", ");
      return `denied: ${which}; ${approval === undefined ? "approval can't help" : `ask ${approval}`}: ${decisionId}`;
    }
    if (isStintError(error) && error.retryable) return "later";
    throw error;
  }
  // #endregion
}

/**
 * A call of a tool that may have to be approved.
 *
 * @param ask - shows a person what to do, and resolves when that was done.
 */
export async function approvedCall<Result>(
  call: () => Promise<Result>,
  ask: (what: string) => Promise<void>,
): Promise<Result> {
  // #region approved-call
  try {
    return await call();
  } catch (error) {
    const { approvalId, approval } = mcpRefusalOf(error) ?? {};
    if (approvalId === undefined) throw error;
    await ask(`${approval}: stint call approve ${approvalId}`); // resolves when somebody has answered
    return call();
  }
  // #endregion
}

/** What a framework throws or returns need not be a failure, or a completion. */
export async function interrupted(endpoint: string, runId: string, end: () => unknown): Promise<void> {
  using stint = createStint({ endpoint, agent: "researcher", outcomeOf });
  await stint.withStep({ runId, step: "ask" }, async () => end()).catch(() => undefined);
}

/** Ids of a framework, and code that knows no step. */
export async function ambient(stint: Stint, threadId: string, grant: Grant, url: string): Promise<string> {
  // #region ambient
  const runId = segment(threadId); // "thread 7/b" → "thread-7-b--…": readable, and no other id gives the same
  return stint.withStep({ runId, step: "search", grant }, async () => {
    // Anywhere below, also in code that knows nothing of steps:
    const response = await stint.fetch(url);
    return `${response.status} as ${currentStep()?.spiffeId}`;
  });
  // #endregion
}

/** A step for a person, and the token that says so. */
export async function workFor(
  stint: Stint,
  {
    runId,
    principalToken,
    resource,
  }: { readonly runId: string; readonly principalToken: string; readonly resource: string },
): Promise<string> {
  // #region principal
  // An ID token, or an access token that is a JWT, of an issuer that the operator has configured.
  const options = { runId, step: "summarize", audiences: [resource], principalToken };
  return await stint.withStep(options, async (step) => {
    const svid = await step.jwtSvid(resource); // says for whom, as `principal: { iss, sub }`
    return svid.svid();
  });
  // #endregion
}

/** For mutual TLS. */
export async function withTls(step: Step): Promise<Server> {
  // #region x509
  const svid = await step.x509Svid();
  const server = createServer({ ...svid.tls(), requestCert: true });
  // #endregion
  return server;
}

/** A step over the broker endpoint, whose address is its own here. */
export async function workRemotely(
  { endpoint, brokerEndpoint }: { readonly endpoint: string; readonly brokerEndpoint: string },
  { runId, grant, url }: { readonly runId: string; readonly grant: Grant; readonly url: string },
): Promise<string> {
  // #region remote
  using stint = createStint({ endpoint, brokerEndpoint, agent: "researcher" });
  return await stint.withStep({ runId, step: "look-up", grant, executor: "any" }, async (step) => {
    const response = await step.fetch(url);
    return response.text(); // before the step is over
  });
  // #endregion
}
